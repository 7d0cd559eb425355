import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A span as OTLP/HTTP carries it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** A real OTLP/HTTP receiver on loopback, as Jaeger's collector is. */
export class TestOtlpReceiver {
  /** What arrived, as text. */
  readonly payloads: string[] = [];
  readonly spans: ReceivedSpan[] = [];
  behaviour: 'take' | 'hang' | 'fail' = 'take';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<TestOtlpReceiver> {
    const server = createServer();
    const receiver = new TestOtlpReceiver(server);
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (receiver.behaviour === 'hang') return;
      if (receiver.behaviour === 'fail') {
        response.writeHead(500).end();
        return;
      }
      const body = Buffer.concat(chunks);
      receiver.take(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The spans of one trace, in the form of a tree: each name with the names below it. */
  tree(trace: string): string[] {
    const spans = this.spans.filter(({ traceId }) => traceId === trace);
    const below = (parent: string | undefined, depth: number): string[] =>
      spans
        .filter(({ parentSpanId }) =>
          parent === undefined
            ? !spans.some((other) => other.spanId === parentSpanId)
            : parentSpanId === parent,
        )
        .flatMap(({ name, spanId }) => [`${'  '.repeat(depth)}${name}`, ...below(spanId, depth + 1)]);
    return below(undefined, 0);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(body: Buffer): void {
    // In protobuf a text stands as it is, so that a test can search for it.
    this.payloads.push(body.toString('latin1'));
    // opentelemetry/proto/collector/trace/v1: resource_spans = 1, scope_spans = 2, spans = 2.
    const spans = fields(body, 1).flatMap((resource) =>
      fields(resource, 2).flatMap((scope) => fields(scope, 2)),
    );
    this.spans.push(...spans.map(spanOf));
  }
}

/** A span of opentelemetry/proto/trace/v1/trace.proto. */
function spanOf(message: Buffer): ReceivedSpan {
  const [parent] = fields(message, 4);
  return {
    traceId: fields(message, 1)[0]?.toString('hex') ?? '',
    spanId: fields(message, 2)[0]?.toString('hex') ?? '',
    ...(parent && parent.length > 0 && { parentSpanId: parent.toString('hex') }),
    name: fields(message, 5)[0]?.toString() ?? '',
    attributes: Object.fromEntries(fields(message, 9).map(attributeOf)),
  };
}

/** A KeyValue of opentelemetry/proto/common/v1/common.proto, with a string or a whole number. */
function attributeOf(message: Buffer): [string, string | number] {
  const [value = Buffer.alloc(0)] = fields(message, 2);
  const [text] = fields(value, 1);
  return [fields(message, 1)[0]?.toString() ?? '', text?.toString() ?? numbers(value, 3)[0] ?? ''];
}

/** The fields of a protobuf message that have this number and a length (https://protobuf.dev/programming-guides/encoding/). */
const fields = (message: Buffer, number: number): Buffer[] =>
  entries(message).flatMap((entry) => (entry.number === number && entry.bytes ? [entry.bytes] : []));

const numbers = (message: Buffer, number: number): number[] =>
  entries(message).flatMap((entry) => (entry.number === number && !entry.bytes ? [entry.value] : []));

interface Entry {
  readonly number: number;
  readonly value: number;
  readonly bytes?: Buffer;
}

function entries(message: Buffer): Entry[] {
  const found: Entry[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const width = { 1: 8, 5: 4 }[tag % 8];
    if (width !== undefined) at += width;
    else if (tag % 8 === 2) {
      const length = varint();
      found.push({ number, value: length, bytes: message.subarray(at, at + length) });
      at += length;
    } else found.push({ number, value: varint() });
  }
  return found;
}
