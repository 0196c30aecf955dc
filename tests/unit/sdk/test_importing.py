"""A host that imports the producer pays for nothing else."""

import subprocess
import sys

IMPORTED = """
import sys, threading
import flowtrail
flowtrail.init
print(threading.active_count(), *sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""


def test_what_a_host_imports_is_the_standard_library_and_msgspec_and_starts_no_thread():
    ran = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTED], capture_output=True, text=True, check=True, timeout=30
    )

    threads, *loaded = ran.stdout.split()
    own = {"flowtrail", "msgspec", "typing_extensions", "__main__"}
    # What the interpreter's own start-up loads, for editable installs among others, is not ours.
    started = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTED.replace("import flowtrail\nflowtrail.init\n", "")],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.split()[1:]
    assert threads == "1"
    found = {name for name in loaded if not name.startswith("_sysconfigdata")} - set(started)
    assert found <= own


def test_asyncio_and_logging_are_loaded_only_when_they_are_needed():
    code = "import sys, flowtrail; flowtrail.transaction; print(*{'asyncio', 'http', 'ssl', 'sqlite3'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert ran.stdout.split() == []
