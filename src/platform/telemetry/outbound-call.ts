import { tracing } from './tracing.ts';

/**
 * `fetch` as a span, which passes the trace on to the called server. Only host and port of the URL are recorded, since
 * a path or a query may name a person.
 */
export function tracedFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  if (!tracing().isOn) return fetch(input, init);
  const { hostname, port, protocol } = new URL(input instanceof Request ? input.url : input);
  const method = init.method ?? (input instanceof Request ? input.method : 'GET');
  const attributes = {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
  };
  return tracing().span(method, 'client', attributes, async (span) => {
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
    for (const [name, value] of Object.entries(tracing().outgoing())) headers.set(name, value);
    const response = await fetch(input, { ...init, headers });
    span.set({ 'http.response.status_code': response.status });
    if (response.status >= 400) span.fail({ code: response.status });
    return response;
  });
}
