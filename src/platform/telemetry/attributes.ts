/**
 * Every attribute that a span may carry. Names follow the semantic conventions of OpenTelemetry where they exist. Other
 * attributes never leave the process: no personal data, no secret, no value of a variable or a bound parameter.
 */
export const SPAN_ATTRIBUTES = [
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'url.scheme',
  'server.address',
  'server.port',
  'error.type',
  'graphql.operation.name',
  'graphql.operation.type',
  'db.system.name',
  'db.operation.name',
  'db.query.text',
  'gatehouse.request_id',
  'gatehouse.field',
  'gatehouse.hash.kind',
  'gatehouse.mail.kind',
  'gatehouse.chore',
  'gatehouse.rows_removed',
] as const;

export type SpanAttribute = (typeof SPAN_ATTRIBUTES)[number];
export type SpanAttributes = Readonly<Partial<Record<SpanAttribute, string | number>>>;
