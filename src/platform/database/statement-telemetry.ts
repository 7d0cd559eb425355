import type { ClientBase } from 'pg';
import { tracing } from '../telemetry/index.ts';
import { statementSeconds } from './metrics.ts';

/** Maximum length, in characters, of a statement in a span. */
const MAX_TEXT = 2_000;

/** A number, or a string in standard or escape syntax. MikroORM writes values into the text of statements. */
const LITERAL = /\bE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|(?<![\w$."])\d+(?:\.\d+)?\b/g;

/** Measures each statement of a connection, but only for metrics and traces that are turned on. */
export const withTelemetry = <Client extends ClientBase>(client: Client): Client =>
  withSpans(withDurations(client));

function withDurations<Client extends ClientBase>(client: Client): Client {
  if (!statementSeconds.isOn) return client;
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const timed = (...args: unknown[]): unknown => {
    const begun = performance.now();
    const result = query(...args);
    if (!(result instanceof Promise)) return result;
    return result.finally(() => statementSeconds.observeSince(begun, {}));
  };
  return Object.assign(client, { query: timed });
}

/** Gives each statement a span with its text, and never with a value. */
function withSpans<Client extends ClientBase>(client: Client): Client {
  if (!tracing().isOn) return client;
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const traced = (...args: unknown[]): unknown => {
    const text = textOf(args[0]).trim();
    const operation = /^(?:\/\*.*?\*\/\s*)?(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'SQL';
    return tracing().span(
      operation,
      'client',
      {
        'db.system.name': 'postgresql',
        'db.operation.name': operation,
        'db.query.text': withoutValues(text).slice(0, MAX_TEXT),
      },
      () => query(...args),
    );
  };
  return Object.assign(client, { query: traced });
}

/** Literals become `?`, as the semantic conventions ask for. */
export const withoutValues = (text: string): string => text.replace(LITERAL, '?').replace(/\s+/g, ' ');

const textOf = (query: unknown): string =>
  typeof query === 'string' ? query : String((query as { text?: unknown } | undefined)?.text ?? '');
