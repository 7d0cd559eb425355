import { ErrorCode, GatehouseError } from '../../platform/errors.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';

/** Blockpass refuses the tokens of a person and their renewal. Only a call of the app brings new ones. */
export class PersonMustReturn extends GatehouseError {
  constructor(cause: unknown) {
    super(
      ErrorCode.CONFLICT,
      'Blockpass no longer answers for this person. Ask the person to open this service in the Blockpass app, and then try again.',
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

  /** The newest tokens of these calls. */
  get tokens(): TokenSet {
    return this.known;
  }

  /**
   * Makes one call. If the tokens have expired, or Blockpass refuses them earlier (401), they are renewed once and the
   * call is retried. Blockpass does not execute a call with a refused token, so every call may be retried.
   * @throws {PersonMustReturn} Blockpass also refuses the renewal, or the renewed tokens.
   * @throws {BlockpassRefused} Blockpass refuses the call for another reason.
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
      // The protocol is unclear about the unit of the lifetime, so tokens that look expired may still be valid.
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
