import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../support/command.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { ConfirmEmailDocument, ResetPasswordDocument } from '../support/generated/operations.ts';

const secrets = newSecrets();
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(secrets);
});
afterAll(() => gateway.close());

async function token(args: string[], settings: Record<string, string> = {}) {
  const { code, output, errors } = await command(['token', ...args], {
    NODE_ENV: 'test',
    CLIENT_ORIGIN: 'https://app.example',
    LINK_PAGES: 'client',
    DATABASE_URL: gateway.database.servingUrl,
    DATABASE_MIGRATION_URL: gateway.database.ownerUrl,
    ...secrets,
    ...settings,
  });
  const [token = '', link] = output.trimEnd().split('\n');
  return { code, token, link, errors: errors.trimEnd() };
}

describe('gatehouse token', () => {
  it('prints a token that confirms the address, and its link', async () => {
    const alice = await gateway.aSubject();
    const printed = await token([alice.email, '--for', 'confirm-email']);
    expect(printed).toMatchObject({
      code: 0,
      link: `https://app.example/confirm-email#token=${printed.token}`,
      errors: '',
    });
    const { data } = await gateway.client.execute(ConfirmEmailDocument, {
      token: printed.token,
      password: alice.password,
    });
    expect(data?.confirmEmail.emailConfirmed).toBe(true);
    expect(await token([alice.email, '--for', 'confirm-email'])).toMatchObject({
      code: 1,
      errors: `The address ${alice.email} has no account or registration that waits for its confirmation.`,
    });
  });

  it('prints a token that sets a new password, and voids the one printed before', async () => {
    const alice = await gateway.aSubject();
    const former = await token([alice.email, '--for', 'reset-password']);
    const printed = await token([alice.email.toUpperCase(), '--for', 'reset-password']);
    expect(printed.link).toBe(`https://app.example/reset-password#token=${printed.token}`);
    const reset = (by: string) =>
      gateway.client.execute(ResetPasswordDocument, { token: by, newPassword: 'seven quiet lanterns' });
    expect((await reset(printed.token)).data?.resetPassword).toBe(true);
    expect((await reset(former.token)).code).toBe('INVALID_TOKEN');
  });

  it('prints only the token when mails carry no link', async () => {
    const alice = await gateway.aSubject();
    const printed = await token([alice.email, '--for', 'reset-password'], { LINK_PAGES: 'off' });
    expect(printed).toMatchObject({ code: 0, token: expect.stringMatching(/^[\w-]{43}$/), link: undefined });
  });

  it('says when there is no such account', async () => {
    expect(await token(['nobody@example.test', '--for', 'reset-password'])).toMatchObject({
      code: 1,
      token: '',
      errors: 'The address nobody@example.test has no account that may set a new password.',
    });
  });

  it('needs the purpose of the token', async () => {
    const alice = await gateway.aSubject();
    expect((await token([alice.email])).errors).toContain("required option '--for <use>'");
    expect((await token([alice.email, '--for', 'undo-email-change'])).code).not.toBe(0);
  });

  it('is refused in production', async () => {
    const alice = await gateway.aSubject();
    const refused = await token([alice.email, '--for', 'reset-password'], {
      NODE_ENV: 'production',
      PUBLIC_URL: 'http://localhost:4000',
    });
    expect(refused).toMatchObject({ code: 1, token: '', errors: expect.stringContaining('development') });
  });
});
