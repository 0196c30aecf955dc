// The CloudEvents SDK for Node as an application uses it: `node cloudevents.cjs URL MODE`.
// Sends some events in one of the content modes, twice, and prints them and what was answered.

const { CloudEvent, HTTP, Mode, emitterFor, httpTransport } = require("cloudevents");

const [url, mode] = process.argv.slice(2);
const target = `${url}/v1/events?flow=shop-to-erp`;

const common = {
  // The client leaves headers as they are; what is not ASCII it could not send in binary mode.
  subject: "4711",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
  partitionkey: "C-9",
};
const events = [
  new CloudEvent({
    ...common,
    id: "N-1",
    source: "/shop",
    type: "com.example.order.validated",
    time: "2026-11-23T10:00:00.250Z",
    dataschema: "https://example.com/order.json",
    count: 7,
    gift: true,
    data: { lines: [{ sku: "S-1", count: 2 }], note: "grüß Gott" },
  }),
  new CloudEvent({
    ...common,
    id: "N-2",
    source: "/mapper",
    type: "com.example.order.mapped",
    time: "2026-11-23T10:00:01Z",
    datacontenttype: "application/octet-stream",
    data: new Uint8Array([0, 1, 2, 253, 254, 255]),
  }),
  new CloudEvent({
    ...common,
    id: "N-3",
    source: "/erp",
    type: "com.example.order.delivered",
    time: "2026-11-23T10:00:02Z",
    datacontenttype: "text/plain",
    data: "thank you",
    flowtrailoutcome: "delivered",
  }),
];

async function batch() {
  const answer = await fetch(target, {
    method: "POST",
    headers: { "Content-Type": "application/cloudevents-batch+json" },
    body: JSON.stringify(events),
  });
  return [{ status: answer.status, body: await answer.json() }];
}

async function one(event) {
  if (mode === "emitter") {
    const emit = emitterFor(httpTransport(target), { mode: Mode.BINARY });
    const answer = await emit(event);
    return { status: 200, body: JSON.parse(answer.body) };
  }
  const message = HTTP[mode](event);
  const answer = await fetch(target, { method: "POST", headers: message.headers, body: message.body });
  return { status: answer.status, body: await answer.json() };
}

async function main() {
  const answers = [];
  for (let time = 0; time < 2; time += 1) {
    if (mode === "batch") answers.push(...(await batch()));
    else for (const event of events) answers.push(await one(event));
  }
  process.stdout.write(JSON.stringify({ events, answers }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
