import fc from 'fast-check';
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from 'graphql';

/** Part of every secret. No reply and no log line may contain it. */
export const MARK = 'MARKED-SECRET';

/** A request id is logged and returned, so it is not a secret. */
const withoutMarkedId = ({
  'x-request-id': id,
  ...headers
}: Record<string, string>): Record<string, string> =>
  id === undefined ? headers : { ...headers, 'x-request-id': id.replaceAll(MARK, 'an id') };

/** The sender of the input. */
export type Sender = 'nobody' | 'a person' | 'a superuser' | 'a forger';

/** One request to the gateway. With `messages`, a GET to /graphql opens a WebSocket on which they are sent. */
export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly messages?: readonly string[];
  readonly sender: Sender;
  /** Whether the input may hash a password. */
  readonly hashes: boolean;
}

/** Existing values, for inputs that pass the first check. They change while the test runs. */
export interface LiveValues {
  ids: string[];
  names: string[];
  addresses: string[];
  tokens: string[];
}

const NASTY = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '\u202e\u200b\ufeff',
  '\r\nX-Injected: 1',
  '\u001b[2J',
  "' or 1=1 --",
  '{"$ne":""}',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '%00',
  `\u0024{7*7}`,
  '-1',
  '1e309',
  'NaN',
  '٣٤٥',
  'ﷺ'.repeat(200),
  '🔑'.repeat(64),
  'e\u0301',
  'A'.repeat(10_000),
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '{00000000-0000-0000-0000-000000000000}',
  'a@b',
  'someone@example.test',
  '"@"@example.test',
  '@',
  '2026-11-21T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '+275760-09-13T00:00:00.000Z',
  '0000-00-00T00:00:00Z',
  'infinity',
];

const json = fc.jsonValue({ maxDepth: 3 });

/** Generates inputs from the types of the schema, inputs that fit no type, and requests to every route. */
export function fuzzedRequests(
  schema: GraphQLSchema,
  routes: readonly string[],
  live: LiveValues,
): fc.Arbitrary<FuzzedRequest> {
  // Functions, so that a value is looked up when the input is generated.
  const one = (values: () => string[]) =>
    fc.nat().map((index) => values()[index % Math.max(1, values().length)] ?? 'none');
  const text = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...NASTY) },
    { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 2, arbitrary: one(() => live.ids) },
    { weight: 2, arbitrary: one(() => live.names) },
    { weight: 1, arbitrary: one(() => live.addresses) },
  );
  const secret = fc.oneof(
    text.map((inner) => `${MARK}${inner}`),
    fc.constantFrom(`${MARK} of twelve and more`, `${MARK}${'x'.repeat(300)}`, `${MARK}\0`),
  );
  const number = fc.oneof(
    fc.integer(),
    fc.constantFrom(0, -0, -1, 1, 100, 101, 2 ** 31, -(2 ** 31), 2 ** 53, 1e308, 0.5),
  );

  const leaf = (type: string, name: string): fc.Arbitrary<unknown> => {
    if (/password|token|code|challenge/i.test(name)) {
      return fc.oneof({ weight: 3, arbitrary: secret }, { weight: 1, arbitrary: one(() => live.tokens) });
    }
    if (type === 'Int' || type === 'Float') return number;
    if (type === 'Boolean') return fc.boolean();
    if (type === 'EmailAddress') {
      const local = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 70 });
      return fc.oneof(
        one(() => live.addresses),
        local.map((part) => `${part}@example.test`),
        text,
      );
    }
    if (type === 'DateTime')
      return fc.oneof(
        fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
        text,
      );
    return text;
  };

  const inputOf = (type: GraphQLInputType, name: string): fc.Arbitrary<unknown> => {
    if (isNonNullType(type)) return inputOf(type.ofType, name);
    const nullable = getNullableType(type);
    if (isListType(nullable)) return fc.array(inputOf(nullable.ofType, name), { maxLength: 5 });
    if (isEnumType(nullable)) return fc.constantFrom(...nullable.getValues().map((value) => value.name));
    if (isInputObjectType(nullable)) {
      const fields = Object.values(nullable.getFields());
      const required = fields.filter((field) => isNonNullType(field.type)).map((field) => field.name);
      return fc.record(
        Object.fromEntries(
          fields.map((field) => [
            field.name,
            fc.oneof(
              { weight: 9, arbitrary: inputOf(field.type, field.name) },
              { weight: isNonNullType(field.type) ? 0 : 1, arbitrary: fc.constant(null) },
            ),
          ]),
        ),
        { requiredKeys: required },
      );
    }
    return leaf(getNamedType(type).name, name);
  };

  /** One use of a field, with its own alias and variables. */
  const use = (field: Field, alias: string) => {
    const named = (arg: { name: string }) => `${alias}_${arg.name}`;
    const { name, args } = field;
    const passed = args.map((arg) => `${arg.name}: $${named(arg)}`).join(', ');
    const record = (of: (arg: (typeof args)[number]) => fc.Arbitrary<unknown>, required: string[]) =>
      fc.record(Object.fromEntries(args.map((arg) => [named(arg), of(arg)])), { requiredKeys: required });
    return {
      declared: args.map((arg) => `$${named(arg)}: ${arg.type}`),
      text: `${alias}: ${name}${passed && `(${passed})`} ${selection(field, 3)}`,
      fitting: record((arg) => inputOf(arg.type, arg.name), args.filter(isRequiredArgument).map(named)),
      misfit: record(() => json, []),
      hashes: args.some(({ name: arg, type }) => takesPassword(arg, type)),
    };
  };

  const operation = (kind: Kind, fields: readonly Field[]) => {
    const uses = fields.map((field, index) => use(field, `f${index}`));
    const declared = uses.flatMap((one) => one.declared).join(', ');
    const query = `${kind} ${declared && `(${declared})`} { ${uses.map(({ text: part }) => part).join(' ')} }`;
    const together = (parts: readonly fc.Arbitrary<object>[]) =>
      fc.tuple(...parts).map((given) => Object.assign({}, ...given) as unknown);
    return fc.record({
      query: fc.oneof({ weight: 9, arbitrary: fc.constant(query) }, { weight: 1, arbitrary: mutated(query) }),
      variables: fc.oneof(
        { weight: 6, arbitrary: together(uses.map(({ fitting }) => fitting)) },
        { weight: 1, arbitrary: together(uses.map(({ misfit }) => misfit)) },
        { weight: 1, arbitrary: json },
      ),
      sender,
      hashes: fc.constant(uses.some(({ hashes }) => hashes)),
    });
  };
  type Document = typeof operation extends (...args: never[]) => fc.Arbitrary<infer D> ? D : never;
  const posted = ({ sender: who, hashes, ...body }: Document) => graphql(body, who, hashes);

  const queries = Object.values(schema.getQueryType()?.getFields() ?? {});
  const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
  const subscriptions = Object.values(schema.getSubscriptionType()?.getFields() ?? {});
  const several = (kind: Kind, fields: readonly Field[]) =>
    fc
      .array(fc.constantFrom(...fields), { minLength: 2, maxLength: 4 })
      .chain((chosen) => operation(kind, chosen));
  return fc.oneof(
    {
      weight: 40,
      arbitrary: fc
        .oneof(
          ...queries.map((field) => operation('query', [field])),
          ...mutations.map((field) => operation('mutation', [field])),
        )
        .map(posted),
    },
    {
      weight: 6,
      arbitrary: fc
        .oneof(
          several('query', queries),
          several('mutation', mutations),
          several('subscription', subscriptions),
          ...subscriptions.map((field) => operation('subscription', [field])),
        )
        .map(posted),
    },
    {
      weight: 3,
      arbitrary: fc.record({ body: json, sender }).map(({ body, sender: who }) => graphql(body, who, false)),
    },
    {
      weight: 6,
      arbitrary: rest(
        routes,
        one(() => live.ids),
        secret,
      ),
    },
    {
      weight: 1,
      arbitrary: socket(fc.oneof(...subscriptions.map((field) => operation('subscription', [field])))),
    },
  );
}

type Kind = 'query' | 'mutation' | 'subscription';
type Field = GraphQLField<unknown, unknown>;

/** Whether the arguments contain a password, at any depth. */
function takesPassword(name: string, type: GraphQLInputType): boolean {
  const named = getNamedType(type);
  if (!isInputObjectType(named)) return /password/i.test(name);
  return Object.values(named.getFields()).some((field) => takesPassword(field.name, field.type));
}

const sender: fc.Arbitrary<Sender> = fc.constantFrom('nobody', 'a person', 'a superuser', 'a forger');

const graphql = (body: unknown, who: Sender, hashes: boolean): FuzzedRequest => ({
  method: 'POST',
  path: '/graphql',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
  sender: who,
  hashes,
});

/** A document in which one piece is removed, doubled or replaced. */
const mutated = (query: string): fc.Arbitrary<string> =>
  fc
    .record({
      at: fc.nat(query.length),
      length: fc.nat(12),
      piece: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 10 }),
        fc.constantFrom(
          '{',
          '}',
          '$',
          '...',
          '@skip',
          '"',
          `"${MARK}"`,
          '__schema',
          '__typename',
          '#',
          '\\u{110000}',
        ),
      ),
    })
    .map(({ at, length, piece }) => query.slice(0, at) + piece + query.slice(at + length));

/** A WebSocket with subscriptions and other messages. */
const socket = (subscription: fc.Arbitrary<object>): fc.Arbitrary<FuzzedRequest> =>
  fc
    .record({
      messages: fc.array(
        fc.oneof(
          subscription.map((payload) => JSON.stringify({ id: '1', type: 'subscribe', payload })),
          fc.constantFrom('{"type":"connection_init"}', '{"type":"ping"}', '{"id":"1","type":"complete"}'),
          fc
            .record({ id: json, type: fc.constant('subscribe'), payload: json })
            .map((it) => JSON.stringify(it)),
          fc.json(),
          fc.constant(`{"type":"${MARK}"}`),
          fc.string({ unit: 'binary' }),
        ),
        { minLength: 1, maxLength: 4 },
      ),
      sender,
    })
    .map(({ messages, sender: who }) => ({
      method: 'GET',
      path: '/graphql',
      headers: {},
      body: undefined,
      messages,
      sender: who,
      hashes: false,
    }));

/** A path that matches the route. Its parameters are existing values and others. */
function pathOf(route: string, id: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const known: Readonly<Record<string, readonly string[]>> = {
    ':kind': ['identity', 'certificate'],
    ':slug': ['passport', 'selfie', 'email', 'onfido-service-cert'],
  };
  const parts = route.split('/').map((part) => {
    if (!part.startsWith(':')) return fc.constant(part);
    const any = id.map((value) => encodeURIComponent(value.toWellFormed()));
    return fc.oneof(any, ...(known[part] ?? []).map((value) => fc.constant(value)));
  });
  return fc.tuple(...parts).map((texts) => texts.join('/'));
}

/** A request without a schema: any method, path, header and body. */
const rest = (
  routes: readonly string[],
  id: fc.Arbitrary<string>,
  secret: fc.Arbitrary<string>,
): fc.Arbitrary<FuzzedRequest> =>
  fc
    .record({
      method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'),
      path: fc.oneof(
        fc.constantFrom(
          ...['/', '/graphql/', '//graphql', '/graphql?query={__typename}', '/dev/mailbox/', '/%', '/%00'],
          ...['/..%2f..', '/*', '/confirm-email-change'],
        ),
        { weight: 3, arbitrary: fc.oneof(...routes.map((route) => pathOf(route, id))) },
        fc
          .record({ state: secret, code: secret }, { requiredKeys: [] })
          .map((query) => `/oauth/google/callback?${new URLSearchParams(query)}`),
        fc.webPath().map((path) => path || '/'),
        fc.webQueryParameters().map((query) => `/graphql?${query}`),
      ),
      headers: fc
        .dictionary(
          fc.constantFrom(
            ...[
              'accept',
              'content-type',
              'origin',
              'cookie',
              'authorization',
              'x-request-id',
              'x-forwarded-for',
            ],
            ...[
              'sec-fetch-site',
              'access-control-request-method',
              'content-encoding',
              'apollo-require-preflight',
              'host',
            ],
          ),
          fc.oneof(
            fc.constantFrom(
              ...[
                '*/*',
                'text/html',
                'application/json',
                'application/graphql-response+json',
                'application/json; charset=x',
              ],
              ...[
                'null',
                'https://evil.test',
                'http://localhost:4000',
                `Bearer ${MARK}`,
                `gatehouse_refresh=${MARK}`,
              ],
              ...[
                'gatehouse_access=;gatehouse_access=',
                'multipart/form-data; boundary=x',
                'text/plain',
                'gzip',
                'x'.repeat(4_000),
              ],
            ),
            fc.string({
              unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
            }),
          ),
          { maxKeys: 4 },
        )
        .map(withoutMarkedId),
      body: fc.option(
        fc.oneof(
          fc.json(),
          fc.string({ unit: 'binary' }),
          fc.constant(`{"query":"{__typename}","x":"${MARK}"}`),
          fc
            .record({ code: secret, sessionCode: secret, fieldList: fc.array(secret) }, { requiredKeys: [] })
            .map((call) => JSON.stringify(call)),
          secret.map(
            (value) => `--x\r\nContent-Disposition: form-data; name="slug"\r\n\r\n${value}\r\n--x--`,
          ),
        ),
      ),
      sender,
    })
    .map(({ method, path, headers, body, sender: who }) => ({
      method,
      path,
      headers,
      body: body === null || method === 'GET' || method === 'HEAD' ? undefined : body,
      sender: who,
      hashes: false,
    }));

/** Drawing a QR code takes a hundred times as long in the sandbox of Jest. */
const SLOW_UNDER_JEST = /^qrCode/;

/** All leaves of the type that a field returns, down to a depth. */
function selection({ type }: GraphQLField<unknown, unknown>, depth: number): string {
  const named = getNamedType(type);
  if (isUnionType(named)) {
    const members = named
      .getTypes()
      .map((member) => `... on ${member.name} ${selection({ type: member } as never, depth)}`);
    return `{ __typename ${members.join(' ')} }`;
  }
  if (!isObjectType(named)) return '';
  const parts = Object.values(named.getFields())
    .filter((field) => !field.args.some(isRequiredArgument) && !SLOW_UNDER_JEST.test(field.name))
    .filter((field) => depth > 1 || !isObjectType(getNamedType(field.type)))
    .map((field) => `${field.name} ${selection(field, depth - 1)}`);
  return `{ __typename ${parts.join(' ')} }`;
}
