import { GraphQLJSONObject } from 'graphql-scalars';
import { Arg, Ctx, Mutation, Query, Resolver } from 'type-graphql';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import type { AccountDeletion } from './account-deletion.ts';
import type { DataExport } from './data-export.ts';
import type { Deactivation } from './deactivation.ts';

const PASSWORD = {
  nullable: true,
  description: 'Required when the account has one; without one, a sign-in within five minutes counts.',
} as const;

/** Seconds within which the caller must have proved who they are: as for linking a Google account. */
const RECENT_PROOF_FOR_EXPORT = 300;

/** What an owner takes along and leaves behind. */
@Resolver()
export class AccountEndResolver {
  constructor(
    private readonly dataExport: DataExport,
    private readonly deactivation: Deactivation,
    private readonly deletion: AccountDeletion,
  ) {}

  @Authorize({ aal: 'highest', maxAgeSeconds: RECENT_PROOF_FOR_EXPORT })
  @Query(() => GraphQLJSONObject, {
    description:
      'Everything that the gateway stores about the caller, without secrets. Needs a proof within five minutes (a sign-in, or reauthenticate), with the second factor where the account has one; otherwise REAUTHENTICATION_REQUIRED.',
  })
  exportMyData(
    @CurrentCaller() { userId }: Caller,
    @Ctx() { em }: RequestContext,
  ): Promise<Record<string, unknown>> {
    return this.dataExport.of(em, userId);
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      'Ends every session; nobody can sign in. The owner comes back by resetPassword. CONFLICT for the last active superuser.',
  })
  async deactivateAccount(
    @Arg('password', () => String, PASSWORD) password: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.deactivation.byOwner(em, caller, password, source);
    return true;
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      'Removes the account and everything personal, for good. CONFLICT for the last active superuser, and within 72 hours of a change of address, which its former address can still undo.',
  })
  async deleteAccount(
    @Arg('password', () => String, PASSWORD) password: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.deletion.delete(em, caller, password, source);
    return true;
  }
}
