import { createHash } from 'node:crypto';
import { type DocumentNode, print } from 'graphql';
import type { Reply } from '../../tests/support/client.ts';
import {
  ChangePasswordDocument,
  LoginDocument,
  LogoutDocument,
  MeDocument,
  RefreshDocument,
  type RefreshMutation,
  RegisterDocument,
} from '../../tests/support/generated/operations.ts';
import { type Tokens, tokensOf } from '../../tests/support/subject.ts';
import type { Sender } from './ask.ts';

/** Without the name in it, since the policy refuses that. */
const passwordOf = (name: string, change: number): string =>
  `velvet anchor ${createHash('sha256').update(`${name} ${change}`).digest('hex').slice(0, 12)}`;

/** An honest client with its own record of everything that was acknowledged to it. */
export class Person {
  #password: string;
  #tokens: Tokens | undefined;
  #changes = 0;
  /** Sessions whose log-out was acknowledged. */
  readonly #ended: Tokens[] = [];
  /** The successors that each presented refresh token got. */
  readonly #successors = new Map<string, Set<string>>();

  private constructor(
    readonly name: string,
    private readonly sender: Sender,
  ) {
    this.#password = passwordOf(name, 0);
  }

  /** @throws when the gateway refuses the account. */
  static async arrive(name: string, sender: Sender): Promise<Person> {
    const person = new Person(name, sender);
    if (!(await person.register())) throw new Error(`${name} could not register`);
    await person.logIn();
    return person;
  }

  /**
   * Registers another account, without a sign-in.
   * @returns the account when it was acknowledged.
   */
  static async other(name: string, sender: Sender): Promise<Person | undefined> {
    const person = new Person(name, sender);
    return (await person.register()) ? person : undefined;
  }

  async register(): Promise<boolean> {
    const input = { username: this.name, email: `${this.name}@example.test`, password: this.#password };
    const settled = await this.sender.ask((client) => client.execute(RegisterDocument, { input }));
    // After an attempt with an unknown outcome, the account may exist already.
    return settled?.reply.code === undefined || (settled.isRepeated && settled.reply.code === 'CONFLICT');
  }

  get hasSession(): boolean {
    return this.#tokens !== undefined;
  }

  get accessToken(): string | undefined {
    return this.#tokens?.accessToken;
  }

  /** The body of a login request. */
  get loginBody(): string {
    const variables = { input: { identifier: this.name, password: this.#password } };
    return JSON.stringify({ query: print(LoginDocument as DocumentNode), variables });
  }

  async logIn(): Promise<void> {
    this.#tokens = await this.#signedIn(this.#password);
  }

  /** @returns whether it was acknowledged. */
  async refresh(): Promise<boolean> {
    if (!this.#tokens) return false;
    const { refreshToken } = this.#tokens;
    const settled = await this.sender.ask(
      (client) => client.execute(RefreshDocument, { refreshToken }),
      (reply) => this.#note(refreshToken, reply),
    );
    if (!settled) return false;
    const next = this.#note(refreshToken, settled.reply);
    if (next) this.#tokens = next;
    else if (settled.reply.code === 'REFRESH_TOKEN_SUPERSEDED') this.#signOutHonestly();
    else this.#loseSession();
    return next !== undefined;
  }

  async logOut(): Promise<void> {
    const tokens = this.#tokens;
    if (!tokens) return;
    this.#tokens = undefined;
    const settled = await this.sender.ask((client) =>
      client.execute(LogoutDocument, { refreshToken: tokens.refreshToken }, { bearer: tokens.accessToken }),
    );
    if (!settled) return;
    const { reply, isRepeated } = settled;
    if (reply.code === undefined || (isRepeated && reply.code === 'UNAUTHENTICATED'))
      this.#ended.push(tokens);
    else if (reply.code !== 'UNAUTHENTICATED') this.sender.tally.isWrong(`a log-out: ${reply.code}`);
  }

  /**
   * Changes the password. An attempt may take effect without an answer, so until it settles either password may be
   * right.
   */
  async changePassword(): Promise<void> {
    const tokens = this.#tokens;
    if (!tokens) return;
    this.#changes += 1;
    const newPassword = passwordOf(this.name, this.#changes);
    const settled = await this.sender.ask((client) =>
      client.execute(
        ChangePasswordDocument,
        { currentPassword: this.#password, newPassword },
        { bearer: tokens.accessToken },
      ),
    );
    if (!settled) return;
    const { reply, isRepeated } = settled;
    if (reply.code === undefined || (isRepeated && reply.code === 'INVALID_CREDENTIALS'))
      this.#password = newPassword;
    else if (reply.code === 'UNAUTHENTICATED') this.#loseSession();
    else this.sender.tally.isWrong(`a change of password: ${reply.code}`);
  }

  async isSignedIn(): Promise<boolean> {
    const bearer = this.#tokens?.accessToken;
    if (bearer === undefined) return false;
    const settled = await this.sender.ask((client) => client.execute(MeDocument, {}, { bearer }));
    if (settled?.reply.code === 'UNAUTHENTICATED') this.#loseSession();
    else if (settled?.reply.code !== undefined) this.sender.tally.isWrong(`me: ${settled.reply.code}`);
    return this.hasSession;
  }

  /**
   * Presents a token that was used two rotations before, as a thief does.
   * @returns whether the session ended.
   */
  async isRobbed(): Promise<boolean> {
    const stolen = this.#tokens?.refreshToken ?? '';
    await this.refresh();
    await this.refresh();
    await this.sender.ask((client) => client.execute(RefreshDocument, { refreshToken: stolen }));
    const current = this.#tokens?.refreshToken ?? '';
    return !(await this.#refreshes(current));
  }

  /** Counts acknowledged facts that do not hold. */
  async account(): Promise<void> {
    const { tally } = this.sender;
    if (this.hasSession) await this.refresh();
    for (const ended of this.#ended) {
      if (!(await this.#lives(ended))) continue;
      tally.lost += 1;
      tally.isWrong('a session that was logged out lives');
    }
    for (const successors of this.#successors.values()) {
      if (successors.size === 1) continue;
      const living = await Promise.all([...successors].map((token) => this.#refreshes(token)));
      if (living.filter(Boolean).length > 1) tally.doubled += 1;
    }
    if ((await this.#signedIn(this.#password)) || tally.forgetsPasswords) return;
    tally.lost += 1;
    tally.isWrong('a password or an account that was acknowledged is gone');
  }

  /** Handles REFRESH_TOKEN_SUPERSEDED without a newer token: the client signs in again, and no theft was reported. */
  #signOutHonestly(): void {
    this.#tokens = undefined;
    this.sender.tally.refused += 1;
  }

  #loseSession(): void {
    this.#tokens = undefined;
    this.sender.tally.sessionsLost += 1;
  }

  async #lives({ accessToken, refreshToken }: Tokens): Promise<boolean> {
    const me = await this.sender.ask((client) => client.execute(MeDocument, {}, { bearer: accessToken }));
    return me?.reply.code === undefined || this.#refreshes(refreshToken);
  }

  async #refreshes(refreshToken: string): Promise<boolean> {
    const settled = await this.sender.ask((client) => client.execute(RefreshDocument, { refreshToken }));
    return settled !== undefined && settled.reply.code === undefined;
  }

  async #signedIn(password: string): Promise<Tokens | undefined> {
    const input = { identifier: this.name, password };
    const settled = await this.sender.ask((client) => client.execute(LoginDocument, { input }));
    return settled?.reply.code === undefined && settled ? tokensOf(settled.reply) : undefined;
  }

  #note(presented: string, reply: Reply<RefreshMutation>): Tokens | undefined {
    if (reply.code !== undefined) return undefined;
    const tokens = tokensOf(reply);
    const successors = this.#successors.get(presented) ?? new Set();
    this.#successors.set(presented, successors.add(tokens.refreshToken));
    return tokens;
  }
}
