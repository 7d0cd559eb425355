import { GraphQLJSONObject } from 'graphql-scalars';
import { Arg, Ctx, Mutation, Query, Resolver } from 'type-graphql';
import {
  Authorize,
  type Caller,
  CurrentCaller,
  RECENT_FOR_OWNERS,
  type RequestContext,
} from '../platform/request/index.ts';
import type { AccountDeletion } from './account-deletion.ts';
import type { DataExport } from './data-export.ts';
import type { Deactivation } from './deactivation.ts';

const PASSWORD = {
  nullable: true,
  description:
    'Required when the account has a password. Without a password, a sign-in within the last five minutes is enough.',
} as const;

/** Lets an owner export, deactivate and delete the account. */
@Resolver()
export class AccountEndResolver {
  constructor(
    private readonly dataExport: DataExport,
    private readonly deactivation: Deactivation,
    private readonly deletion: AccountDeletion,
  ) {}

  @Authorize({ aal: 'highest', maxAgeSeconds: RECENT_FOR_OWNERS })
  @Query(() => GraphQLJSONObject, {
    description:
      'Everything that the gateway stores about the caller, without secrets. Needs a sign-in or reauthenticate within the last five minutes, with the second factor where the account has one. Otherwise REAUTHENTICATION_REQUIRED.',
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
      'Deactivates the account and ends every session. Sign-in is refused until the owner uses resetPassword. CONFLICT for the last active superuser.',
  })
  async deactivateAccount(
    @Arg('password', () => String, PASSWORD) password: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.deactivation.byOwner(context, password);
    return true;
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      'Deletes the account and all personal data for good. CONFLICT for the last active superuser, and for 72 hours after a change of address, while the former address can undo it.',
  })
  async deleteAccount(
    @Arg('password', () => String, PASSWORD) password: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.deletion.delete(context, password);
    return true;
  }
}
