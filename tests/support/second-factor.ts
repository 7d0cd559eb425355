import { createHmac } from 'node:crypto';
import type { Client, Reply } from './client.ts';
import type { TestGateway } from './gateway.ts';
import {
  CompleteLoginDocument,
  type CompleteLoginMutation,
  ConfirmTotpDocument,
  type ConfirmTotpMutation,
  EnrollTotpDocument,
  type EnrollTotpMutation,
} from './generated/operations.ts';
import type { Subject, Tokens } from './subject.ts';

/** An authenticator app, written from RFC 4226 and RFC 6238 without the gateway's library. */
export class AuthenticatorApp {
  private readonly key: Buffer;

  constructor(
    secret: string,
    private readonly now: () => number,
  ) {
    this.key = fromBase32(secret);
  }

  /** The current code, or the one a number of steps later. */
  code(steps = 0): string {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(this.now() / 30_000) + steps));
    const digest = createHmac('sha1', this.key).update(counter).digest();
    const offset = (digest.at(-1) ?? 0) & 0xf;
    return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
  }

  /** A code that is wrong now and for a while before and after. */
  wrongCode(nth = 0): string {
    const good = new Set(Array.from({ length: 21 }, (_, i) => this.code(i - 10)));
    const wrong = Array.from({ length: 40 + nth }, (_, i) =>
      String(i * 7919)
        .padStart(6, '0')
        .slice(-6),
    );
    return wrong.filter((code) => !good.has(code))[nth] ?? '';
  }
}

function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  );
  return Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** An account with a second factor, with its secrets and tokens. */
export interface Enrolled {
  readonly app: AuthenticatorApp;
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
  /** Tokens of the session that enrolled, as confirmTotp renewed them: level 2. */
  readonly tokens: Tokens;
  /** The access token with which the session enrolled: valid, and of level 1. */
  readonly accessTokenOfLevel1: string;
}

/** Signs in and enrols. It confirms with a code of the step before, so that the current one stays unused. */
export async function enrol(gateway: TestGateway, subject: Subject): Promise<Enrolled> {
  gateway.clock.toMidStep();
  const { accessToken } = await subject.signedIn();
  const { secret } = await startEnrolment(subject, accessToken);
  const app = new AuthenticatorApp(secret, () => gateway.clock.now());
  const { data, text } = await subject.client.execute(
    ConfirmTotpDocument,
    { securityCode: app.code() },
    { bearer: accessToken },
  );
  if (!data) throw new Error(`not confirmed: ${text}`);
  await gateway.database.query('update totp_authenticator set last_step = last_step - 1 where user_id = $1', [
    subject.id,
  ]);
  const tokens = renewedTokens(data.confirmTotp.tokens);
  return { app, secret, recoveryCodes: data.confirmTotp.codes, tokens, accessTokenOfLevel1: accessToken };
}

/** @throws when the reply has no tokens. */
export function renewedTokens(renewed: ConfirmTotpMutation['confirmTotp']['tokens']): Tokens {
  if (!renewed?.accessToken || !renewed.refreshToken) throw new Error('no new tokens');
  const { accessToken, refreshToken, session } = renewed;
  return { accessToken, refreshToken, sessionId: session.id };
}

export async function startEnrolment(
  subject: Subject,
  bearer: string,
): Promise<EnrollTotpMutation['enrollTotp']> {
  const { data, text } = await subject.client.execute(
    EnrollTotpDocument,
    { password: subject.password },
    { bearer },
  );
  if (!data) throw new Error(`no enrolment: ${text}`);
  return data.enrollTotp;
}

/** Signs in with the password alone. @throws when the reply is not a challenge. */
export async function challengeOf(subject: Subject, client: Client = subject.client): Promise<string> {
  const { data, text } = await subject.login({ client });
  if (data?.login.__typename !== 'SecondFactorRequired') throw new Error(`no challenge: ${text}`);
  return data.login.challenge;
}

export function completeLogin(
  client: Client,
  input: { challenge: string; securityCode?: string; recoveryCode?: string },
): Promise<Reply<CompleteLoginMutation>> {
  return client.execute(CompleteLoginDocument, { input });
}
