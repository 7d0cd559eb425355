import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An event as an envelope of Sentry carries it. */
export interface ReceivedEvent extends Readonly<Record<string, unknown>> {
  readonly release: string;
  readonly environment: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly exception: {
    readonly values: ReadonlyArray<{
      readonly type: string;
      readonly value: string;
      readonly stacktrace: { readonly frames: ReadonlyArray<{ readonly filename: string }> };
    }>;
  };
}

/** A real receiver of Sentry's envelopes on loopback (https://develop.sentry.dev/sdk/envelopes/). */
export class TestSentry {
  readonly envelopes: string[] = [];
  readonly events: ReceivedEvent[] = [];
  behaviour: 'take' | 'hang' | 'fail' = 'take';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<TestSentry> {
    const server = createServer();
    const sentry = new TestSentry(server);
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (sentry.behaviour === 'hang') return;
      const envelope = Buffer.concat(chunks).toString('utf8');
      sentry.envelopes.push(envelope);
      const [, , event = '{}'] = envelope.split('\n');
      sentry.events.push(JSON.parse(event) as ReceivedEvent);
      response.writeHead(sentry.behaviour === 'fail' ? 500 : 200).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return sentry;
  }

  get dsn(): string {
    return `http://0123456789abcdef0123456789abcdef@127.0.0.1:${(this.server.address() as AddressInfo).port}/42`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
