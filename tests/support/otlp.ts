import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A span as OTLP/HTTP carries it in JSON. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code?: number };
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
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
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
    this.payloads.push(body.toString('utf8'));
    const { resourceSpans } = JSON.parse(body.toString('utf8')) as OtlpRequest;
    for (const { scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) this.spans.push({ ...span, attributes: plain(span.attributes) });
      }
    }
  }
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number;
    readonly doubleValue?: number;
  };
}

interface OtlpRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<
        Omit<ReceivedSpan, 'attributes'> & { readonly attributes: readonly OtlpAttribute[] }
      >;
    }>;
  }>;
}

const plain = (attributes: readonly OtlpAttribute[]): Record<string, string | number> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.doubleValue ?? '']),
  );
