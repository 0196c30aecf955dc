// The OpenTelemetry SDK for Node as an application uses it: `node traces.cjs URL COMPRESSION PROCESSOR`.
// Sends an order's way twice, and prints what it sent, so that it can be compared with what is read back.

const { SpanKind, SpanStatusCode, context, trace } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const sdk = require("@opentelemetry/sdk-trace");

const [url, compression, processor] = process.argv.slice(2);
const OTHER = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b9c7c989f97918e1", traceFlags: 1, isRemote: true };

const finished = [];
const beside = {
  onStart() {},
  onEnd(span) {
    finished.push(span);
  },
  async forceFlush() {},
  async shutdown() {},
};

function work(tracer) {
  const root = tracer.startSpan("POST /orders", {
    kind: SpanKind.SERVER,
    attributes: {
      "http.request.method": "POST",
      "http.response.status_code": 201,
      share: 0.25,
      retry: false,
      skus: ["S-1", "S-2"],
      note: "grüß Gott",
      "flowtrail.object.type": "order",
      "flowtrail.object.id": "4711",
      "flowtrail.key.customer": "C-9",
    },
  });
  const below = trace.setSpan(context.active(), root);
  const validate = tracer.startSpan("validate", { links: [{ context: OTHER, attributes: { why: "replayed" } }] }, below);
  validate.addEvent("looked up", { rows: 2 });
  validate.setStatus({ code: SpanStatusCode.OK });
  validate.end();
  const deliver = tracer.startSpan("deliver", { kind: SpanKind.CLIENT }, below);
  deliver.recordException(new TypeError("SKU-0815"));
  deliver.setStatus({ code: SpanStatusCode.ERROR, message: "SKU-0815" });
  deliver.end();
  root.end();
}

function microseconds([seconds, nanoseconds]) {
  return seconds * 1_000_000 + Math.floor(nanoseconds / 1_000);
}

function told(span) {
  return {
    trace: span.spanContext().traceId,
    id: span.spanContext().spanId,
    parent: span.parentSpanContext?.spanId ?? null,
    name: span.name,
    kind: SpanKind[span.kind].toLowerCase(),
    started: microseconds(span.startTime),
    ended: microseconds(span.endTime),
    attributes: span.attributes,
    status: SpanStatusCode[span.status.code],
    message: span.status.message ?? null,
    events: span.events.map((event) => ({ name: event.name, at: microseconds(event.time), attributes: event.attributes })),
    links: span.links.map((link) => ({
      trace_id: link.context.traceId,
      span_id: link.context.spanId,
      attributes: link.attributes,
    })),
    resource: span.resource.attributes,
  };
}

async function main() {
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces`, compression });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ "service.name": "shop", "service.version": "3", "service.instance.id": "shop-1" }),
    spanProcessors: [new sdk[processor]({ exporter }), beside],
  });
  work(provider.getTracer("shop.orders", "1.2"));
  await provider.forceFlush();
  const result = await new Promise((done) => exporter.export(finished, done));
  if (result.code !== 0) throw result.error ?? new Error("the spans were not taken");
  await provider.shutdown();
  process.stdout.write(JSON.stringify(finished.map(told)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
