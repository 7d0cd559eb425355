import { ErrorCode, GatehouseError } from '../../platform/errors.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';

/** Blockpass refuses the tokens of a person, and their renewal. Only a call of the app brings new ones. */
export class PersonMustReturn extends GatehouseError {
  constructor(cause: unknown) {
    super(
      ErrorCode.CONFLICT,
      'Blockpass no longer answers for this person. Only their phone can help: ask them to open the service in the Blockpass app. Then try again.',
      { detail: 'Blockpass refuses the tokens of the person and their renewal', cause },
    );
  }
}

/** Calls Blockpass on behalf of one person. */
export class PersonCalls {
  constructor(
    private readonly api: BlockpassApi,
    private known: TokenSet,
    private readonly renew: (known: TokenSet) => Promise<TokenSet>,
  ) {}

  /** The newest tokens that these calls know. */
  get tokens(): TokenSet {
    return this.known;
  }

  /**
   * Makes one call. Tokens that have expired, or that Blockpass refuses before that (401), are renewed once, and the call is
   * repeated. A refused token means that the call was not made, so any call may be repeated.
   * @throws {PersonMustReturn} Blockpass also refuses the renewal, or the renewed tokens.
   * @throws {BlockpassRefused} Blockpass refuses something else than the tokens.
   * @throws {BlockpassAway} Blockpass gives no usable answer.
   */
  async ask<T>(call: (tokens: TokenSet) => Promise<T>): Promise<T> {
    const expired = this.api.isStale(this.known);
    if (!expired) {
      try {
        return await call(this.known);
      } catch (error) {
        if (!refusesToken(error)) throw error;
      }
    }
    try {
      this.known = await this.renew(this.known);
    } catch (error) {
      // The protocol is unclear about the unit of the lifetime: tokens that look expired may still be good.
      if (!(expired && error instanceof PersonMustReturn)) throw error;
    }
    try {
      return await call(this.known);
    } catch (error) {
      throw refusesToken(error) ? new PersonMustReturn(error) : error;
    }
  }
}

const refusesToken = (error: unknown): boolean => error instanceof BlockpassRefused && error.status === 401;
