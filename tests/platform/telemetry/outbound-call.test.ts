import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTracing, tracedFetch, tracing } from '../../../src/platform/telemetry/index.ts';
import { openTelemetry } from '../../../src/platform/telemetry/open-telemetry.ts';
import { TestOtlpReceiver } from '../../support/otlp.ts';

/** Another service, such as Google. */
let service: Server;
let url: string;
let receiver: TestOtlpReceiver;
let received: IncomingHttpHeaders;

beforeAll(async () => {
  receiver = await TestOtlpReceiver.start();
  service = createServer((request, response) => {
    received = request.headers;
    response.writeHead(request.url === '/fails' ? 503 : 200).end();
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await receiver.stop();
  await new Promise((resolve) => service.close(resolve));
});

describe('a call of another service', () => {
  it('hands no trace on while nothing is traced', async () => {
    await tracedFetch(`${url}/`, { headers: { accept: 'text/plain' } });
    expect(received.traceparent).toBeUndefined();
    expect(received.accept).toBe('text/plain');
  });

  it('hands the trace on, and is a span without path and query', async () => {
    startTracing(
      openTelemetry({
        endpoint: receiver.url,
        serviceName: 'gatehouse',
        serviceVersion: '0',
        environment: 'test',
        sampled: 1,
      }),
    );
    await tracing().span('request', 'root', {}, async () => {
      await tracedFetch(`${url}/people/alice?token=secret`, { headers: { accept: 'text/plain' } });
      await tracedFetch(`${url}/fails`, { method: 'POST' });
    });
    await tracing().close();
    const [called, failed] = receiver.spans.filter(({ name }) => name !== 'request');
    expect(received.traceparent).toBe(`00-${failed?.traceId}-${failed?.spanId}-01`);
    expect(called?.attributes).toEqual({
      'http.request.method': 'GET',
      'server.address': '127.0.0.1',
      'server.port': (service.address() as AddressInfo).port,
      'http.response.status_code': 200,
    });
    expect(failed?.attributes).toMatchObject({ 'http.response.status_code': 503, 'error.type': '503' });
    expect(receiver.payloads.join()).not.toMatch(/alice|secret/);
  });
});
