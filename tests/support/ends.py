"""Every way a host application lives and ends, as a program for `hosts`.

`PROGRAMS` name the program, and how many objects it works on that must arrive when the server is well; None where the
process ends without a chance to send (`os._exit`, a signal nobody handles).
"""

from typing import Final

LIVES: Final[dict[str, tuple[str, int | None]]] = {
    "to the end": (
        """
        for number in range(20): work(number)
        print("done")
        """,
        20,
    ),
    "nothing at all": (
        """
        print("done")
        """,
        0,
    ),
    "sys.exit": (
        """
        for number in range(20): work(number)
        sys.exit(3)
        """,
        20,
    ),
    "an exception nobody catches": (
        """
        work(0)
        if os.environ.get("TEST_TOLD"):
            import flowtrail
            with flowtrail.transaction("order", "1") as order:
                with order.block("map"):
                    pass
        raise KeyError("sku")
        """,
        2,
    ),
    "os._exit": (
        """
        for number in range(20): work(number)
        print("done", flush=True)
        os._exit(4)
        """,
        None,
    ),
    "SIGTERM": (
        """
        import signal
        for number in range(20): work(number)
        print("done", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        """,
        None,
    ),
    "SIGKILL": (
        """
        import signal
        for number in range(20): work(number)
        print("done", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        None,
    ),
    "SIGTERM that is handled": (
        """
        import signal
        def leave(number, frame):
            work(20)
            sys.exit(5)
        signal.signal(signal.SIGTERM, leave)
        for number in range(20): work(number)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        """,
        21,
    ),
    "Ctrl-C": (
        """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in range(20): work(number)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        except KeyboardInterrupt:
            print("interrupted")
            sys.exit(130)
        """,
        20,
    ),
    "threads": (
        """
        import threading
        def job(first):
            for number in range(first, first + 10): work(number)
        threads = [threading.Thread(target=job, args=(10 * each,)) for each in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(threading.active_count())
        """,
        80,
    ),
    "a thread that outlives main": (
        """
        import threading
        def job():
            time.sleep(0.2)
            for number in range(10): work(number)
            print("thread done")
        threading.Thread(target=job).start()
        print("main done")
        """,
        10,
    ),
    "daemon threads at work until the last moment": (
        """
        import threading
        def job(first):
            number = first
            while True:
                work(number)
                number += 1
                time.sleep(0.0005)
        for each in range(4): threading.Thread(target=job, args=(1_000_000 * each,), daemon=True).start()
        time.sleep(0.2)
        print("done")
        """,
        None,
    ),
    "sys.exit in a thread": (
        """
        import threading
        def job():
            work(0)
            sys.exit(7)
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        work(1)
        """,
        2,
    ),
    "hooks of its own that record": (
        """
        import atexit
        def hook():
            work(1)
            print("hook")
        atexit.register(hook)
        work(0)
        """,
        2,
    ),
    "a hook that fails": (
        """
        import atexit
        def hook():
            work(1)
            raise RuntimeError("hook")
        atexit.register(hook)
        work(0)
        """,
        2,
    ),
    "objects that record when the interpreter takes them down": (
        """
        class Dying:
            def __del__(self, work=work):
                work(1)
        kept = Dying()
        kept.me = kept
        work(0)
        print("done")
        """,
        None,
    ),
    "a timer's handler that records": (
        """
        import itertools, signal
        numbers = itertools.count()
        signal.signal(signal.SIGALRM, lambda number, frame: work(next(numbers)))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        until = time.monotonic() + 0.2
        while time.monotonic() < until: work(next(numbers))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("done")
        """,
        None,
    ),
    "asyncio": (
        """
        import asyncio
        async def job(number):
            work(number)
            await asyncio.sleep(0)
        async def main():
            await asyncio.gather(*(job(number) for number in range(50)))
            await asyncio.to_thread(work, 50)
        asyncio.run(main())
        print("done")
        """,
        51,
    ),
    "asyncio that is cancelled": (
        """
        import asyncio
        async def job(number):
            work(number)
            await asyncio.sleep(60)
        async def main():
            tasks = [asyncio.create_task(job(number)) for number in range(10)]
            await asyncio.sleep(0.05)
            for task in tasks: task.cancel()
            print(len(await asyncio.gather(*tasks, return_exceptions=True)))
        asyncio.run(main())
        """,
        10,
    ),
    "a fork that ends like a program": (
        """
        for number in range(10): work(number)
        pid = os.fork()
        for number in range(10): work(1_000 * (pid == 0) + 100 + number)
        if pid == 0: sys.exit(6)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        30,
    ),
    "a fork that ends at once": (
        """
        for number in range(10): work(number)
        pid = os.fork()
        if pid == 0:
            work(1_000)
            os._exit(0)
        os.waitpid(pid, 0)
        print("done")
        """,
        None,
    ),
    "forks while everything is busy": (
        """
        import threading, warnings
        # Python warns of its own threads, if they are still there, which is a matter of how fast they were.
        warnings.simplefilter("ignore")
        over = threading.Event()
        def job(first):
            for number in range(first, first + 300): work(number)
        threads = [threading.Thread(target=job, args=(1_000 * each,)) for each in range(4)]
        for thread in threads: thread.start()
        children = []
        for child in range(8):
            pid = os.fork()
            if pid == 0:
                for number in range(10): work(100_000 + 1_000 * child + number)
                sys.exit(0)
            children.append(pid)
            time.sleep(0.002)
        for thread in threads: thread.join()
        print([os.waitpid(pid, 0)[1] for pid in children])
        """,
        4 * 300 + 8 * 10,
    ),
    "a fork of a fork": (
        """
        work(0)
        if os.fork() == 0:
            work(1)
            if os.fork() == 0:
                work(2)
                sys.exit(0)
            os.wait()
            sys.exit(0)
        os.wait()
        print("done")
        """,
        3,
    ),
    "a fork from a thread": (
        """
        import threading
        def job():
            work(0)
            pid = os.fork()
            if pid == 0:
                work(1)
                if os.environ.get("TEST_TOLD"):
                    import flowtrail
                    flowtrail.flush(10)
                os._exit(0)
            os.waitpid(pid, 0)
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        print("done")
        """,
        None,
    ),
    "multiprocessing by fork": ("MULTI fork", 21),
    "multiprocessing by spawn": ("MULTI spawn", 21),
    "multiprocessing by forkserver": ("MULTI forkserver", 21),
    "a pool that is thrown away": (
        """
        import multiprocessing
        def job(number):
            work(number)
            return number
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(job, range(20)))
        """,
        None,
    ),
    "an executor of processes": (
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        def job(number):
            work(number)
            return number
        if __name__ == "__main__":
            work(100)
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
                print(list(pool.map(job, range(20))))
        """,
        21,
    ),
    "another program": (
        """
        import subprocess
        for number in range(10): work(number)
        print(subprocess.run(["true"], preexec_fn=lambda: work(99)).returncode)
        print(subprocess.run([sys.executable, "-c", "print('hello')"], capture_output=True).stdout)
        """,
        10,
    ),
    "exec": (
        """
        for number in range(10): work(number)
        os.execv(sys.executable, [sys.executable, "-c", "print('another')"])
        """,
        None,
    ),
}

MULTI: Final = """
import multiprocessing
def job(first):
    for number in range(first, first + 10): work(number)
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    work(1_000)
    children = [context.Process(target=job, args=(100 * each,)) for each in range(2)]
    for child in children: child.start()
    for child in children: child.join()
    print([child.exitcode for child in children])
"""


def program(name: str) -> str:
    """The program of that name."""
    text, _ = LIVES[name]
    return MULTI.format(method=text.split()[1]) if text.startswith("MULTI") else text


def arrives(name: str) -> int | None:
    """How many of its objects must arrive."""
    return LIVES[name][1]
