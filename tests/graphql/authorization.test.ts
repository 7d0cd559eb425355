import { describe, expect, it } from '@jest/globals';
import { authorizationChecker } from '../../src/graphql/index.ts';
import { GatehouseError } from '../../src/platform/errors.ts';
import type { AuthorizationRequirement, Caller, RequestContext } from '../../src/platform/request/index.ts';
import { TestClock } from '../support/clock.ts';

const clock = new TestClock();
const check = authorizationChecker(
  { permits: (roles, permission) => roles.includes('reviewer') && permission === 'kyc:review' },
  {
    of: async (_, userId) => ({
      password: true,
      identityProofs: [],
      secondFactor: userId === 'owner of a factor',
    }),
  },
  clock,
);

const caller = (facts: Partial<Caller> = {}): Caller => ({
  userId: 'user',
  sessionId: 'session',
  generation: 0,
  epoch: 0,
  roles: [],
  amr: ['pwd'],
  aal: 1,
  keyId: 'key',
  enrolmentRequired: false,
  authenticatedAt: clock.now() / 1000,
  ...facts,
});

/** `allowed`, or the code and extensions of the refusal. */
async function judge(who: Caller | null, ...requirements: AuthorizationRequirement[]): Promise<unknown> {
  try {
    await check({ authenticate: async () => who } as RequestContext, requirements);
    return 'allowed';
  } catch (error) {
    if (error instanceof GatehouseError) return { code: error.code, ...error.extensions };
    throw error;
  }
}

describe('authorization of an operation', () => {
  it('refuses an anonymous caller when it needs a session', async () => {
    expect(await judge(null, {})).toEqual({ code: 'UNAUTHENTICATED' });
    expect(await judge(caller(), {})).toBe('allowed');
  });

  it('looks up the permission in the roles of the caller', async () => {
    expect(await judge(caller(), { permission: 'kyc:review' })).toEqual({ code: 'FORBIDDEN' });
    expect(await judge(caller({ roles: ['reviewer'] }), { permission: 'kyc:review' })).toBe('allowed');
    expect(await judge(caller({ roles: ['reviewer'] }), { permission: 'role:read' })).toEqual({
      code: 'FORBIDDEN',
    });
  });

  it('asks callers with a second factor to use it for every permission', async () => {
    const owner = caller({ userId: 'owner of a factor', roles: ['reviewer'] });
    expect(await judge(owner, { permission: 'kyc:review' })).toMatchObject({ requiredAal: 2 });
    expect(await judge({ ...owner, aal: 2 }, { permission: 'kyc:review' })).toBe('allowed');
  });

  it('names the required level, and the methods that reach it', async () => {
    expect(await judge(caller({ userId: 'owner of a factor' }), { aal: 2 })).toEqual({
      code: 'REAUTHENTICATION_REQUIRED',
      requiredAal: 2,
      maxAgeSeconds: null,
      methods: ['securityCode', 'recoveryCode'],
      enrolmentRequired: false,
    });
    expect(await judge(caller(), { aal: 2 })).toEqual({
      code: 'REAUTHENTICATION_REQUIRED',
      requiredAal: 2,
      maxAgeSeconds: null,
      methods: [],
      enrolmentRequired: true,
    });
    expect(await judge(caller({ aal: 2 }), { aal: 2 })).toBe('allowed');
  });

  it('asks for the highest level only when the caller has a second factor', async () => {
    expect(await judge(caller(), { aal: 'highest' })).toBe('allowed');
    const owner = caller({ userId: 'owner of a factor' });
    expect(await judge(owner, { aal: 'highest' })).toMatchObject({
      requiredAal: 2,
      enrolmentRequired: false,
    });
    expect(await judge({ ...owner, aal: 2 }, { aal: 'highest' })).toBe('allowed');
  });

  it('accepts a session that must enrol only when the operation allows that', async () => {
    const enrolling = caller({ enrolmentRequired: true });
    const refusal = { code: 'REAUTHENTICATION_REQUIRED', requiredAal: 2, enrolmentRequired: true };
    expect(await judge(enrolling, {})).toMatchObject(refusal);
    expect(await judge(enrolling, { permission: 'kyc:review' })).toMatchObject(refusal);
    expect(await judge(enrolling, { whileEnrolling: true })).toBe('allowed');
    expect(await judge(enrolling, { whileEnrolling: true }, {})).toMatchObject(refusal);
  });

  it('names the maximum age of an authentication when it needs a recent one', async () => {
    const old = caller({ authenticatedAt: clock.now() / 1000 - 301 });
    expect(await judge(old, { maxAgeSeconds: 300 })).toMatchObject({
      code: 'REAUTHENTICATION_REQUIRED',
      maxAgeSeconds: 300,
      methods: ['password'],
    });
    expect(await judge(caller(), { maxAgeSeconds: 300 })).toBe('allowed');
  });

  it('does not ask for a new proof when the caller lacks the permission', async () => {
    expect(await judge(caller(), { permission: 'kyc:review', aal: 2 })).toEqual({ code: 'FORBIDDEN' });
  });
});
