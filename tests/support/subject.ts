import { randomBytes } from 'node:crypto';
import type { Client, Reply, RequestOptions } from './client.ts';
import {
  type CompleteLoginMutation,
  LoginDocument,
  type LoginMutation,
  MeDocument,
  type MeQuery,
  type ReauthenticateMutation,
  RefreshDocument,
  type RefreshMutation,
  RegisterDocument,
} from './generated/operations.ts';

export interface SubjectFacts {
  username: string;
  email: string;
  password: string;
}

/** The tokens of a sign-in. */
export interface Tokens {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
}

/** A person with an account, and their operations. */
export class Subject implements SubjectFacts {
  constructor(
    readonly client: Client,
    readonly id: string,
    readonly username: string,
    readonly email: string,
    readonly password: string,
  ) {}

  static async register(client: Client, facts: Partial<SubjectFacts> = {}): Promise<Subject> {
    const unique = randomBytes(6).toString('hex');
    const { username, email, password } = {
      username: `subject-${unique}`,
      email: `mail-${unique}@example.test`,
      password: `velvet anchor ${[...randomBytes(8)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('')}`,
      ...facts,
    };
    const { data, text } = await client.execute(RegisterDocument, { input: { username, email, password } });
    if (!data) throw new Error(`registration failed: ${text}`);
    return new Subject(client, data.register.id, username, email, password);
  }

  login(
    options: RequestOptions & { client?: Client; password?: string; securityCode?: string } = {},
  ): Promise<Reply<LoginMutation>> {
    const { client = this.client, password = this.password, securityCode } = options;
    const input = {
      identifier: this.username,
      password,
      ...(securityCode !== undefined && { securityCode }),
    };
    return client.execute(LoginDocument, { input }, options);
  }

  async signedIn(options: RequestOptions & { client?: Client; password?: string } = {}): Promise<Tokens> {
    return tokensOf(await this.login(options));
  }

  refresh(
    refreshToken: string,
    client = this.client,
    options: RequestOptions = {},
  ): Promise<Reply<RefreshMutation>> {
    return client.execute(RefreshDocument, { refreshToken }, options);
  }

  me(bearer: string, client = this.client): Promise<Reply<MeQuery>> {
    return client.execute(MeDocument, {}, { bearer });
  }
}

/** @throws when the reply is not a sign-in with tokens in the body. */
export function tokensOf({
  data,
  text,
}: Reply<LoginMutation | CompleteLoginMutation | RefreshMutation | ReauthenticateMutation>): Tokens {
  const [signedIn] = Object.values(data ?? {});
  const authenticated = signedIn && 'accessToken' in signedIn ? signedIn : null;
  if (!authenticated?.accessToken || !authenticated.refreshToken) throw new Error(`no tokens: ${text}`);
  const { accessToken, refreshToken, session } = authenticated;
  return { accessToken, refreshToken, sessionId: session.id };
}
