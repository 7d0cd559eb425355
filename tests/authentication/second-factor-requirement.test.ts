import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import { decodeJwt } from 'jose';
import { TestGateway } from '../support/gateway.ts';
import { ConfirmTotpDocument, DisableTotpDocument, LoginDocument } from '../support/generated/operations.ts';
import { eventually } from '../support/race.ts';
import { AuthenticatorApp, enrol, startEnrolment } from '../support/second-factor.ts';
import { type Subject, tokensOf } from '../support/subject.ts';

/** Operations that a session may call before enrolment, besides those that need no session. */
const ALLOWED = ['me', 'enrollTotp', 'confirmTotp', 'reauthenticate', 'refresh', 'logout'];
const REFUSAL = {
  code: 'REAUTHENTICATION_REQUIRED',
  requiredAal: 2,
  methods: [],
  enrolmentRequired: true,
};

/** A gateway without the setting. */
let lenient: TestGateway;
let gateway: TestGateway;
let everybody: TestGateway;

beforeAll(async () => {
  lenient = await TestGateway.start();
  await lenient.database.query(
    `insert into role (id, name, permissions) values (gen_random_uuid(), 'auditor', '{role:read}'),
                                                     (gen_random_uuid(), 'reader', '{role:read}')`,
  );
  gateway = await lenient.another({ SECOND_FACTOR_REQUIRED_FOR: 'superuser, auditor' });
  everybody = await lenient.another({ SECOND_FACTOR_REQUIRED_FOR: 'all' });
});
afterAll(async () => {
  await everybody.close();
  await gateway.close();
  await lenient.close();
});

/** Like the code that grants roles: raises the epoch and writes the revocation. */
async function grant({ id }: Subject, role: string): Promise<void> {
  await gateway.database.query(
    'insert into role_grant (user_id, role_id) select $1, id from role where name = $2',
    [id, role],
  );
  await gateway.database.query(
    `with raised as (update users set epoch = epoch + 1 where id = $1 returning id, epoch)
     insert into ending (kind, user_id, epoch, matters_until, kept_until)
     select 'EPOCH', id, epoch, now() + interval '2 hours', now() + interval '2 hours' from raised`,
    [id],
  );
}
async function anAuditor(): Promise<Subject> {
  const subject = await gateway.aSubject();
  await grant(subject, 'auditor');
  return subject;
}
const roles = (bearer: string, client = gateway.client) => client.raw('{ roles { name } }', {}, { bearer });

describe('an account that must have a second factor and has none', () => {
  it('gets a session whose token has no roles, and only the audience of enrolment', async () => {
    const auditor = await anAuditor();
    const reply = await auditor.login();
    expect(reply.data?.login).toMatchObject({ session: { aal: 1, secondFactorEnrolmentRequired: true } });
    const { aud, roles, iss } = decodeJwt(tokensOf(reply).accessToken);
    expect({ aud, roles }).toEqual({ aud: `${iss}/enrol`, roles: [] });
  });

  it('may call what enrolment needs', async () => {
    const auditor = await anAuditor();
    const { accessToken, refreshToken } = await auditor.signedIn();
    expect((await auditor.me(accessToken)).data?.me?.username).toBe(auditor.username);
    const refreshed = tokensOf(await auditor.refresh(refreshToken));
    expect(decodeJwt(refreshed.accessToken).aud).toMatch(/\/enrol$/);
    const options = { bearer: refreshed.accessToken };
    const again = await gateway.client.raw(
      'mutation ($password: String) { reauthenticate(password: $password) { accessToken } }',
      { password: auditor.password },
      options,
    );
    expect(again.errors).toEqual([]);
    await startEnrolment(auditor, refreshed.accessToken);
    expect((await gateway.client.raw('mutation { logout }', {}, options)).errors).toEqual([]);
    expect((await auditor.me(refreshed.accessToken)).code).toBe('UNAUTHENTICATED');
  });

  it('may call no other operation that needs a session', async () => {
    const { accessToken: bearer } = await (await anAuditor()).signedIn();
    const schema = buildSchema(await readFile('schema/schema.graphql', 'utf8'));
    const fieldsOf = (type: GraphQLObjectType | null | undefined) => Object.values(type?.getFields() ?? {});
    const operations = [
      ...fieldsOf(schema.getQueryType()).map((field) => [field.name, `query { ${callOf(field)} }`] as const),
      ...fieldsOf(schema.getMutationType()).map(
        (field) => [field.name, `mutation { ${callOf(field)} }`] as const,
      ),
    ];
    const needASession: string[] = [];
    for (const [name, document] of operations) {
      if ((await gateway.client.raw(document)).code !== 'UNAUTHENTICATED' || ALLOWED.includes(name)) continue;
      const { errors } = await gateway.client.raw(document, {}, { bearer });
      expect([name, errors[0]?.extensions]).toEqual([name, expect.objectContaining(REFUSAL)]);
      needASession.push(name);
    }
    expect(needASession).toEqual(
      expect.arrayContaining(['sessions', 'changePassword', 'disableTotp', 'roles']),
    );
  });

  it('has all its rights after it has enrolled and refreshed', async () => {
    const auditor = await anAuditor();
    const { tokens } = await enrol(gateway, auditor);
    expect(decodeJwt(tokens.accessToken)).toMatchObject({ aud: 'gatehouse', roles: ['auditor'], aal: 2 });
    expect((await roles(tokens.accessToken)).errors).toEqual([]);
    const { data } = await gateway.client.raw(
      '{ sessions { secondFactorEnrolmentRequired } }',
      {},
      {
        bearer: tokens.accessToken,
      },
    );
    expect(data).toEqual({ sessions: [{ secondFactorEnrolmentRequired: false }] });
  });

  it('is every account without a second factor when the setting asks it of everybody', async () => {
    const subject = await gateway.aSubject();
    const { accessToken } = await subject.signedIn({ client: everybody.client });
    expect(decodeJwt(accessToken).aud).toMatch(/\/enrol$/);
    const { errors } = await roles(accessToken, everybody.client);
    expect(errors[0]?.extensions).toMatchObject(REFUSAL);
  });
});

describe('an account without such a role', () => {
  it('need not enrol', async () => {
    const reader = await gateway.aSubject();
    await grant(reader, 'reader');
    const { accessToken } = await reader.signedIn();
    expect((await roles(accessToken)).errors).toEqual([]);
  });
});

describe('a session that exists already', () => {
  it('is restricted when such a role is granted', async () => {
    const subject = await gateway.aSubject();
    const { accessToken, refreshToken } = await subject.signedIn();
    await grant(subject, 'auditor');
    await eventually(
      () => subject.me(accessToken),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_500 },
    );
    const renewed = tokensOf(await subject.refresh(refreshToken));
    const { errors } = await roles(renewed.accessToken);
    expect(errors[0]?.extensions).toMatchObject(REFUSAL);
  });

  it('is restricted, with the token that it has, when the setting is turned on', async () => {
    const reader = await gateway.aSubject();
    await grant(reader, 'reader');
    const { accessToken } = await reader.signedIn();
    expect((await roles(accessToken)).errors).toEqual([]);
    const { errors } = await roles(accessToken, everybody.client);
    expect(errors[0]?.extensions).toMatchObject(REFUSAL);
    expect((await reader.me(accessToken, everybody.client)).errors).toEqual([]);
  });

  it('is restricted at once when the second factor is turned off', async () => {
    const auditor = await anAuditor();
    const { app, tokens } = await enrol(gateway, auditor);
    const { accessToken: bearer, refreshToken } = tokens;
    const securityCode = app.code();
    await gateway.client.execute(
      DisableTotpDocument,
      { password: auditor.password, securityCode },
      { bearer },
    );
    expect((await roles(bearer)).code).toBe('UNAUTHENTICATED');
    const renewed = tokensOf(await auditor.refresh(refreshToken));
    expect((await roles(renewed.accessToken)).code).toBe('REAUTHENTICATION_REQUIRED');
  });
});

describe('cookies', () => {
  it('let a browser complete the enrolment', async () => {
    const auditor = await anAuditor();
    const browser = gateway.browser();
    const options = { headers: { origin: 'http://localhost:4000' } };
    const { identifier, password } = { identifier: auditor.username, password: auditor.password };
    await browser.execute(LoginDocument, { input: { identifier, password } }, options);
    const { data } = await browser.raw(
      'mutation ($password: String) { enrollTotp(password: $password) { secret } }',
      { password },
      options,
    );
    const app = new AuthenticatorApp((data as { enrollTotp: { secret: string } }).enrollTotp.secret, () =>
      gateway.clock.now(),
    );
    await browser.execute(ConfirmTotpDocument, { securityCode: app.code() }, options);
    await browser.raw('mutation { refresh { expiresIn } }', {}, options);
    expect((await browser.raw('{ roles { name } }', {}, options)).errors).toEqual([]);
  });
});

/** The field, with a value for each required argument. */
function callOf({ name, args, type }: GraphQLField<unknown, unknown>): string {
  const values = args.filter(isRequiredArgument).map((arg) => `${arg.name}: ${valueFor(arg.type)}`);
  const call = values.length > 0 ? `${name}(${values.join(', ')})` : name;
  return isLeafType(getNamedType(type)) ? call : `${call} { __typename }`;
}

/** A value that the type accepts. */
function valueFor(type: GraphQLInputType): string {
  if (isNonNullType(type)) return valueFor(type.ofType);
  if (isListType(type)) return '[]';
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(isRequiredInputField);
    return `{${fields.map((field) => `${field.name}: ${valueFor(field.type)}`).join(', ')}}`;
  }
  if (type.name === 'Boolean') return 'true';
  if (type.name === 'Int') return '1';
  return type.name === 'EmailAddress' ? '"somebody@example.test"' : '"x"';
}
