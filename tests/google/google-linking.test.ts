import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  CompleteLoginDocument,
  ExportMyDataDocument,
  LinkGoogleDocument,
  ReauthenticateDocument,
  UnlinkGoogleDocument,
} from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce, oneTap, type Person } from '../support/google-stand-in.ts';
import { eventually, race } from '../support/race.ts';
import { challengeOf, enrol } from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

let google: GoogleStandIn;
let gateway: TestGateway;
beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start(google.settings);
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

const link = async (bearer: string, person: Person) => {
  const idToken = await google.idToken({ ...person, nonce: await newNonce(gateway.client) });
  return gateway.client.execute(LinkGoogleDocument, { idToken }, { bearer });
};
const unlink = (bearer: string) => gateway.client.execute(UnlinkGoogleDocument, {}, { bearer });

const signedIn = async () => {
  const subject = await gateway.aSubject();
  return { subject, bearer: (await subject.signedIn()).accessToken };
};
const aGoogleUser = async () => {
  const person = aPerson();
  const { data, text } = await oneTap(gateway.client, google, person);
  if (data?.loginWithGoogle.__typename !== 'Authenticated') throw new Error(text);
  return { person, bearer: data.loginWithGoogle.accessToken ?? '', id: data.loginWithGoogle.user.id };
};
const noticesOf = async ({ email }: Subject, about: RegExp) => {
  await gateway.mailbox.expect(email, about);
  return (await gateway.mailbox.to(email)).filter(({ subject }) => about.test(subject)).length;
};

describe('linkGoogle', () => {
  it('links a Google account with any e-mail address, and tells the owner', async () => {
    const { subject, bearer } = await signedIn();
    const person = aPerson();
    expect((await link(bearer, person)).data?.linkGoogle.googleLinked).toBe(true);
    const { data } = await oneTap(gateway.client, google, person);
    expect(data?.loginWithGoogle).toMatchObject({ user: { id: subject.id } });
    expect(await noticesOf(subject, /Google account was linked/)).toBe(1);
  });

  it('changes nothing when the account is linked already, and sends no mail', async () => {
    const { subject, bearer } = await signedIn();
    const person = aPerson();
    await link(bearer, person);
    expect((await link(bearer, person)).data?.linkGoogle.googleLinked).toBe(true);
    expect(await noticesOf(subject, /Google account was linked/)).toBe(1);
  });

  it('refuses a Google account that is linked elsewhere, without naming the other account', async () => {
    const { person } = await aGoogleUser();
    const { bearer } = await signedIn();
    const { code, text } = await link(bearer, person);
    expect(code).toBe('CONFLICT');
    expect(text).not.toContain(person.email);
    expect(text).not.toContain(person.email?.split('@')[0]);
  });

  it('refuses a second Google account', async () => {
    const { bearer } = await signedIn();
    await link(bearer, aPerson());
    expect((await link(bearer, aPerson())).code).toBe('CONFLICT');
  });

  it('needs a recent authentication', async () => {
    const { subject, bearer } = await signedIn();
    gateway.clock.advance(301);
    const { code, errors } = await link(bearer, aPerson());
    expect(code).toBe('REAUTHENTICATION_REQUIRED');
    expect(errors[0]?.extensions).toMatchObject({ maxAgeSeconds: 300, methods: ['password'] });
    expect((await unlink(bearer)).code).toBe('REAUTHENTICATION_REQUIRED');
    gateway.clock.advance(-301);
    await gateway.client.execute(ReauthenticateDocument, { password: subject.password }, { bearer });
    expect((await link(bearer, aPerson())).data).not.toBeNull();
  });

  it('refuses an ID token whose nonce was used or was not issued by the gateway', async () => {
    const { bearer } = await signedIn();
    const used = await google.idToken({ ...aPerson(), nonce: await newNonce(gateway.client) });
    const linkWith = (idToken: string) => gateway.client.execute(LinkGoogleDocument, { idToken }, { bearer });
    expect((await linkWith(used)).data).not.toBeNull();
    expect((await linkWith(used)).code).toBe('INVALID_CREDENTIALS');
    expect((await linkWith(await google.idToken(aPerson() as never))).code).toBe('INVALID_CREDENTIALS');
  });

  it('links a Google account to one of twenty accounts that request it at once', async () => {
    const accounts = await race(20, signedIn);
    const person = aPerson();
    const replies = await race(20, (index) => link(accounts[index]?.bearer ?? '', person));
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'CONFLICT')).toHaveLength(19);
  });

  it('links one of twenty Google accounts that one account requests at once', async () => {
    const { bearer } = await signedIn();
    const replies = await race(20, () => link(bearer, aPerson()));
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'CONFLICT')).toHaveLength(19);
  });
});

describe('reauthenticate', () => {
  const reauthenticate = async (bearer: string, person: Person) => {
    const googleIdToken = await google.idToken({ ...person, nonce: await newNonce(gateway.client) });
    return gateway.client.execute(ReauthenticateDocument, { googleIdToken }, { bearer });
  };

  it('accepts an ID token of the linked Google account', async () => {
    const { person, bearer } = await aGoogleUser();
    gateway.clock.advance(301);
    const refused = await unlink(bearer);
    expect(refused.errors[0]?.extensions).toMatchObject({ methods: ['googleIdToken'] });
    gateway.clock.advance(-301);
    const { data } = await reauthenticate(bearer, person);
    expect(data?.reauthenticate.session).toMatchObject({ authenticationMethods: ['google'], aal: 1 });
  });

  it('offers Google to accounts without a password', async () => {
    const { bearer } = await aGoogleUser();
    gateway.clock.advance(301);
    const newPassword = 'copper lantern drifting';
    const { code, errors } = await gateway.client.execute(
      ChangePasswordDocument,
      { newPassword },
      { bearer },
    );
    gateway.clock.advance(-301);
    expect(code).toBe('REAUTHENTICATION_REQUIRED');
    expect(errors[0]?.extensions).toMatchObject({ maxAgeSeconds: 300, methods: ['googleIdToken'] });
  });

  it('refuses the token of another Google account, and a token that was used before', async () => {
    const { person, bearer } = await aGoogleUser();
    expect((await reauthenticate(bearer, aPerson())).code).toBe('INVALID_CREDENTIALS');
    expect((await reauthenticate(bearer, (await aGoogleUser()).person)).code).toBe('INVALID_CREDENTIALS');
    const googleIdToken = await google.idToken({ ...person, nonce: await newNonce(gateway.client) });
    const replies = await race(10, () =>
      gateway.client.execute(ReauthenticateDocument, { googleIdToken }, { bearer }),
    );
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
  });
});

describe('exportMyData', () => {
  it('contains the linked Google account', async () => {
    const { person, bearer } = await aGoogleUser();
    const { data } = await gateway.client.execute(ExportMyDataDocument, {}, { bearer });
    expect(data?.exportMyData).toMatchObject({
      googleAccounts: [{ issuer: google.url, subject: person.sub }],
    });
  });
});

describe('unlinkGoogle', () => {
  it('unlinks, and tells the owner', async () => {
    const { subject, bearer } = await signedIn();
    const person = aPerson();
    await link(bearer, person);
    expect((await unlink(bearer)).data?.unlinkGoogle.googleLinked).toBe(false);
    expect(await noticesOf(subject, /Google account was unlinked/)).toBe(1);
    const { data } = await oneTap(gateway.client, google, person);
    expect(data?.loginWithGoogle).not.toMatchObject({ user: { id: subject.id } });
    // A repetition changes nothing.
    expect((await unlink(bearer)).data?.unlinkGoogle.googleLinked).toBe(false);
    expect(await noticesOf(subject, /Google account was unlinked/)).toBe(1);
  });

  it('is refused when it would remove the last way to sign in', async () => {
    const { person, bearer, id } = await aGoogleUser();
    expect((await unlink(bearer)).code).toBe('CONFLICT');
    const again = await oneTap(gateway.client, google, person);
    expect(again.data?.loginWithGoogle).toMatchObject({ user: { id } });
    const newPassword = 'copper lantern drifting';
    await gateway.client.execute(ChangePasswordDocument, { newPassword }, { bearer });
    expect((await unlink(bearer)).data?.unlinkGoogle.googleLinked).toBe(false);
  });

  const withBlockpass = (on: TestGateway, id: string) =>
    on.database.query(
      `insert into kyc_record (id, blockpass_id, user_id, sealed_tokens) values (gen_random_uuid(), $1::text, $1::uuid, '')`,
      [id],
    );

  it('is allowed when a Blockpass identity remains as a way to sign in', async () => {
    const { bearer, id } = await aGoogleUser();
    await withBlockpass(gateway, id);
    expect((await unlink(bearer)).data?.unlinkGoogle.googleLinked).toBe(false);
  });

  it('is refused when only a Blockpass identity remains and Blockpass is off', async () => {
    // In production Blockpass is off until it has its own client id.
    const production = await TestGateway.start({
      NODE_ENV: 'production',
      PUBLIC_URL: 'https://auth.example.test',
      PASSWORD_BCRYPT_COST: '10',
      RATE_LIMIT: 'on',
      GOOGLE_CLIENT_ID: 'any',
      GOOGLE_CLIENT_SECRET: 'any',
    });
    try {
      const subject = await production.aSubject();
      const { accessToken: bearer } = await subject.signedIn();
      await withBlockpass(production, subject.id);
      await production.database.query(
        `insert into google_identity (id, user_id, issuer, subject) values (gen_random_uuid(), $1, 'https://accounts.google.com', '1')`,
        [subject.id],
      );
      await production.database.query('delete from password_credential where user_id = $1', [subject.id]);
      const { code } = await production.client.execute(UnlinkGoogleDocument, {}, { bearer });
      expect(code).toBe('CONFLICT');
    } finally {
      await production.close();
    }
  });

  it('sends one notice for twenty requests at once', async () => {
    const { subject, bearer } = await signedIn();
    await link(bearer, aPerson());
    const replies = await race(20, () => unlink(bearer));
    expect(replies.every(({ data }) => data)).toBe(true);
    expect(await noticesOf(subject, /Google account was unlinked/)).toBe(1);
  });

  it('voids a Google sign-in that waits for its second step, and no other sign-in', async () => {
    const subject = await gateway.aSubject();
    const { app, tokens } = await enrol(gateway, subject);
    const person = aPerson();
    await link(tokens.accessToken, person);
    const { data } = await oneTap(gateway.client, google, person);
    if (data?.loginWithGoogle.__typename !== 'SecondFactorRequired') throw new Error('not asked for');
    const byPassword = await challengeOf(subject);
    expect((await unlink(tokens.accessToken)).data).not.toBeNull();
    const complete = (challenge: string) =>
      gateway.client.execute(CompleteLoginDocument, { input: { challenge, securityCode: app.code() } });
    expect((await complete(data.loginWithGoogle.challenge)).code).toBe('INVALID_TOKEN');
    expect((await complete(byPassword)).data).not.toBeNull();
  });

  it('refuses a Google sign-in that is in progress at that moment', async () => {
    const { subject, bearer } = await signedIn();
    const person = aPerson();
    await link(bearer, person);
    const connection = await gateway.database.connect();
    try {
      await connection.query('begin');
      await connection.query('delete from google_identity where user_id = $1', [subject.id]);
      const underWay = oneTap(gateway.client, google, person);
      await eventually(gateway.database.lockWaiters, (count) => count > 0, { withinMilliseconds: 3_000 });
      await connection.query('commit');
      expect((await underWay).code).toBe('INVALID_CREDENTIALS');
    } finally {
      await connection.end();
    }
  });
});
