import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ConfirmTotpDocument,
  DisableTotpDocument,
  LoginDocument,
  ReauthenticateDocument,
} from '../support/generated/operations.ts';
import {
  challengeOf,
  completeLogin,
  type Enrolled,
  enrol,
  startEnrolment,
} from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

const WRONG = 'a wrong password';
let gateway: TestGateway;
let alice: Subject;
let enrolled: Enrolled;

beforeAll(async () => {
  gateway = await TestGateway.start();
  alice = await gateway.aSubject();
  enrolled = await enrol(gateway, alice);
});
afterAll(() => gateway.close());

const messageOf = ({ code, errors }: { code: unknown; errors: readonly { message: string }[] }) => [
  code,
  errors[0]?.message,
];
const refused = (message: string) => ['INVALID_CREDENTIALS', message];

describe('INVALID_CREDENTIALS', () => {
  it('of confirmTotp names only the security code', async () => {
    const bob = await gateway.aSubject();
    const { accessToken } = await bob.signedIn();
    await startEnrolment(bob, accessToken);
    const reply = await gateway.client.execute(
      ConfirmTotpDocument,
      { securityCode: '000000' },
      { bearer: accessToken },
    );
    expect(messageOf(reply)).toEqual(refused('Wrong security code.'));
  });

  it('of login names identifier and password, whichever was wrong', async () => {
    for (const input of [
      { identifier: alice.username, password: WRONG },
      { identifier: 'nobody-of-that-name', password: WRONG },
    ]) {
      const reply = await gateway.client.execute(LoginDocument, { input });
      expect(messageOf(reply)).toEqual(refused('Wrong identifier or password.'));
    }
  });

  it('of login with a code names the code too, whichever was wrong', async () => {
    const securityCode = enrolled.app.wrongCode();
    for (const input of [
      { identifier: alice.username, password: alice.password, securityCode },
      { identifier: alice.username, password: WRONG, securityCode },
      { identifier: 'nobody-of-that-name', password: WRONG, securityCode },
    ]) {
      const reply = await gateway.client.execute(LoginDocument, { input });
      expect(messageOf(reply)).toEqual(refused('Wrong identifier, password or security code.'));
    }
  });

  it('of completeLogin names the kind of code that was given', async () => {
    const challenge = await challengeOf(alice);
    const byApp = await completeLogin(alice.client, { challenge, securityCode: enrolled.app.wrongCode() });
    expect(messageOf(byApp)).toEqual(refused('Wrong security code.'));
    const byPaper = await completeLogin(alice.client, { challenge, recoveryCode: 'aaaaa-bbbbb-ccccc-ddddd' });
    expect(messageOf(byPaper)).toEqual(refused('Wrong recovery code.'));
  });

  it('of reauthenticate names the given credentials', async () => {
    const bearer = enrolled.tokens.accessToken;
    const byPassword = await gateway.client.execute(ReauthenticateDocument, { password: WRONG }, { bearer });
    expect(messageOf(byPassword)).toEqual(refused('Wrong password.'));
    const byBoth = await gateway.client.execute(
      ReauthenticateDocument,
      { password: alice.password, securityCode: enrolled.app.wrongCode() },
      { bearer },
    );
    expect(messageOf(byBoth)).toEqual(refused('Wrong password or security code.'));
  });

  it('of an operation that checks the password first names the password', async () => {
    const reply = await gateway.client.execute(
      DisableTotpDocument,
      { password: WRONG, securityCode: enrolled.app.wrongCode() },
      { bearer: enrolled.tokens.accessToken },
    );
    expect(messageOf(reply)).toEqual(refused('Wrong password.'));
  });
});
