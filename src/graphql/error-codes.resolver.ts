import { Field, ObjectType, Query, Resolver, registerEnumType } from 'type-graphql';
import { ERROR_CODES, ErrorCode } from '../platform/errors.ts';

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description:
    'Value of extensions.code in an error. Protocol errors of GraphQL itself carry codes of their own.',
  valuesConfig: Object.fromEntries(
    Object.entries(ERROR_CODES).map(([code, { description }]) => [code, { description }]),
  ),
});

@ObjectType({
  description: 'A code, what it means and what a client should do: makes the list part of the API.',
})
export class ErrorCodeInfo {
  @Field(() => ErrorCode)
  code!: ErrorCode;

  @Field(() => String)
  description!: string;

  @Field(() => Boolean, { description: 'The same request may succeed later, unchanged.' })
  retryable!: boolean;
}

@Resolver()
export class ErrorCodesResolver {
  @Query(() => [ErrorCodeInfo], { description: 'Every error code this API answers with.' })
  errorCodes(): ErrorCodeInfo[] {
    return Object.values(ErrorCode).map((code) => ({ code, ...ERROR_CODES[code] }));
  }
}
