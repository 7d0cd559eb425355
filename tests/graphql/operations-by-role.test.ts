import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import { buildSchema } from '../../src/graphql/index.ts';
import { GATEWAY_PERMISSIONS, RESOLVERS } from '../../src/modules.ts';
import { TestGateway } from '../support/gateway.ts';
import { enrol } from '../support/second-factor.ts';
import { aSuperuser, staffWith } from '../support/staff.ts';

/** The callers of an operation: everybody, signed-in callers, or callers with a permission. */
type Row = 'everybody' | 'signed in' | { permission: string; recent?: true };

const needs = (permission: string): Row => ({ permission });
/** The same, and needs a recent authentication. */
const needsRecent = (permission: string): Row => ({ permission, recent: true });

/**
 * Every operation of the schema. An operation without a line here fails the test, so that its author decides
 * who may call it.
 */
const TABLE: Readonly<Record<string, Row>> = {
  'Query.auditEvents': needs('audit:read'),
  'Query.blockpassSignIn': 'everybody',
  'Query.errorCodes': 'everybody',
  'Query.exportMyData': 'signed in',
  'Query.kycRecord': needs('kyc:review'),
  'Query.kycRecords': needs('kyc:review'),
  'Query.me': 'signed in',
  'Query.myKycRecord': 'signed in',
  'Query.mySecurityEvents': 'signed in',
  'Query.publicProfile': 'everybody',
  'Query.role': needs('role:read'),
  'Query.roles': needs('role:read'),
  'Query.sessions': 'signed in',
  'Query.user': needs('user:read'),
  'Query.userSessions': needs('session:read'),
  'Query.users': needs('user:read'),
  'Mutation.accessTokenFor': 'signed in',
  'Mutation.approveKyc': needs('kyc:review'),
  'Mutation.cancelEmailChange': 'signed in',
  'Mutation.changeEmail': 'signed in',
  'Mutation.changePassword': 'signed in',
  'Mutation.completeBlockpassSignIn': 'everybody',
  'Mutation.completeGoogleLogin': 'everybody',
  'Mutation.completeLogin': 'everybody',
  'Mutation.confirmEmail': 'everybody',
  'Mutation.confirmTotp': 'signed in',
  'Mutation.createRole': needsRecent('role:manage'),
  'Mutation.createUser': needsRecent('user:create'),
  'Mutation.deactivateAccount': 'signed in',
  'Mutation.decideKyc': needs('kyc:review'),
  'Mutation.deleteAccount': 'signed in',
  'Mutation.deleteRole': needsRecent('role:manage'),
  'Mutation.deleteUser': needsRecent('user:delete'),
  'Mutation.disableTotp': 'signed in',
  'Mutation.enrollTotp': 'signed in',
  'Mutation.grantRole': needsRecent('role:grant'),
  'Mutation.linkGoogle': 'signed in',
  'Mutation.login': 'everybody',
  'Mutation.loginWithGoogle': 'everybody',
  'Mutation.logout': 'everybody',
  'Mutation.reauthenticate': 'signed in',
  'Mutation.recoverAccount': 'everybody',
  'Mutation.refresh': 'everybody',
  'Mutation.regenerateRecoveryCodes': 'signed in',
  'Mutation.register': 'everybody',
  'Mutation.removeSecondFactor': needsRecent('factor:remove'),
  'Mutation.resendEmailConfirmation': 'everybody',
  'Mutation.resetPassword': 'everybody',
  'Mutation.revokeOtherSessions': 'signed in',
  'Mutation.revokeRole': needsRecent('role:grant'),
  'Mutation.revokeSession': 'signed in',
  'Mutation.revokeUserSession': needs('session:revoke'),
  'Mutation.revokeUserSessions': needs('session:revoke'),
  'Mutation.sendPasswordReset': needsRecent('user:unlock'),
  'Mutation.setUserActive': needsRecent('user:deactivate'),
  'Mutation.startBlockpassSignIn': 'everybody',
  'Mutation.startGoogleSignIn': 'everybody',
  'Mutation.startKycReview': needs('kyc:review'),
  'Mutation.undoEmailChange': 'everybody',
  'Mutation.unlinkGoogle': 'signed in',
  'Mutation.unlockUser': needsRecent('user:unlock'),
  'Mutation.updateProfile': 'signed in',
  'Mutation.updateRole': needsRecent('role:manage'),
  'Mutation.updateUser': needsRecent('user:update'),
  // Only over a WebSocket: tests/http/subscription-socket.test.ts, tests/blockpass/sign-in.test.ts.
  'Subscription.blockpassSignIn': 'everybody',
};

const schema = await buildSchema({ resolvers: RESOLVERS });
const operations = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  .filter((type) => type != null)
  .flatMap((type) =>
    Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, field })),
  );

let gateway: TestGateway;
beforeAll(async () => {
  // No server listens at this port. Other tests cover what authorized operations do.
  gateway = await TestGateway.start({ BLOCKPASS_BASE_URL: 'http://127.0.0.1:9' });
});
afterAll(() => gateway.close());
// Enrolling advances the clock, and sign-ins are dated by the database. After a few rows they would look old.
afterEach(() => gateway.clock.advance((Date.now() - gateway.clock.now()) / 1000));

/** A literal of the type. It need not make sense, but must pass validation. */
function exampleOf(type: GraphQLInputType): string {
  if (isNonNullType(type)) return exampleOf(type.ofType);
  if (isListType(type)) return `[${exampleOf(type.ofType)}]`;
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(isRequiredInputField);
    return `{ ${fields.map(({ name, type: of }) => `${name}: ${exampleOf(of)}`).join(', ')} }`;
  }
  const values: Record<string, string> = {
    Boolean: 'true',
    Int: '1',
    ID: '"01890000-0000-7000-8000-000000000000"',
    EmailAddress: '"nobody@example.test"',
    DateTime: '"2026-01-01T00:00:00Z"',
  };
  return values[getNamedType(type).name] ?? '"nothing"';
}

/** The operation alone, with its required arguments. */
function documentFor(name: string, { name: field, args, type }: GraphQLField<unknown, unknown>): string {
  const required = args.filter(isRequiredArgument);
  const given = required.map((argument) => `${argument.name}: ${exampleOf(argument.type)}`).join(', ');
  const selection = isLeafType(getNamedType(type)) ? '' : ' { __typename }';
  return `${name.split('.')[0]?.toLowerCase()} { ${field}${given ? `(${given})` : ''}${selection} }`;
}

const REFUSALS: readonly unknown[] = ['UNAUTHENTICATED', 'FORBIDDEN', 'REAUTHENTICATION_REQUIRED'];

/** `allowed`, or the code of the refusal. Other tests cover what authorized operations do. */
async function knock(document: string, bearer?: string): Promise<unknown> {
  const { code, status, text } = await gateway.client.raw(document, {}, { bearer });
  if (status === 400) throw new Error(text);
  return REFUSALS.includes(code) ? code : 'allowed';
}

describe('the table of operations by role', () => {
  it('has a row for every operation, and no other rows', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(Object.keys(TABLE).sort());
  });

  it('names only declared permissions, and all of them', () => {
    const asked = Object.values(TABLE).flatMap((row) => (typeof row === 'string' ? [] : [row.permission]));
    expect(asked.filter((permission) => !GATEWAY_PERMISSIONS.includes(permission))).toEqual([]);
    expect(GATEWAY_PERMISSIONS.filter((permission) => !asked.includes(permission))).toEqual([]);
  });
});

const overHttp = operations.filter(({ name }) => !name.startsWith('Subscription.'));

describe.each(overHttp.map(({ name, field }) => [name, documentFor(name, field)] as const))(
  '%s',
  (name, document) => {
    const row = TABLE[name];
    // The row is missing, which the test above reports.
    if (row === undefined) return;
    const { permission, recent = false } = typeof row === 'string' ? {} : row;

    it('for an anonymous caller', async () => {
      expect(await knock(document)).toBe(row === 'everybody' ? 'allowed' : 'UNAUTHENTICATED');
    });

    it('for a user', async () => {
      const { accessToken } = await (await gateway.aSubject()).signedIn();
      expect(await knock(document, accessToken)).toBe(permission === undefined ? 'allowed' : 'FORBIDDEN');
    });

    it('for a superuser', async () => {
      const { tokens } = await aSuperuser(gateway);
      expect(await knock(document, tokens.accessToken)).toBe('allowed');
    });

    if (permission === undefined) return;

    it(`for a caller with only ${permission}`, async () => {
      const { tokens } = await staffWith(gateway, [permission]);
      expect(await knock(document, tokens.accessToken)).toBe('allowed');
    });

    it(`for a caller with every permission except ${permission}`, async () => {
      const others = GATEWAY_PERMISSIONS.filter((other) => other !== permission);
      const { tokens } = await staffWith(gateway, others);
      expect(await knock(document, tokens.accessToken)).toBe('FORBIDDEN');
    });

    it('for a superuser whose session has not used the second factor', async () => {
      const { accessTokenOfLevel1, tokens } = await enrol(gateway, await aSuperuser(gateway));
      expect(await knock(document, accessTokenOfLevel1)).toBe('REAUTHENTICATION_REQUIRED');
      expect(await knock(document, tokens.accessToken)).toBe('allowed');
    });

    it('for a superuser whose authentication is old', async () => {
      const { tokens } = await aSuperuser(gateway);
      gateway.clock.advance(901);
      const answer = await knock(document, tokens.accessToken);
      gateway.clock.advance(-901);
      expect(answer).toBe(recent ? 'REAUTHENTICATION_REQUIRED' : 'allowed');
    });
  },
);
