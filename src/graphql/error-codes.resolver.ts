import { Field, ObjectType, Query, Resolver, registerEnumType } from 'type-graphql';
import { ERROR_CODES, ErrorCode } from '../platform/errors.ts';

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description: 'Values of extensions.code in an error. Protocol errors of GraphQL itself have other codes.',
  valuesConfig: Object.fromEntries(
    Object.entries(ERROR_CODES).map(([code, { description }]) => [code, { description }]),
  ),
});

@ObjectType({
  description: 'An error code with its meaning and what a client should do.',
})
export class ErrorCodeInfo {
  @Field(() => ErrorCode)
  code!: ErrorCode;

  @Field(() => String)
  description!: string;

  @Field(() => Boolean, { description: 'Whether the same request may succeed later, unchanged.' })
  retryable!: boolean;
}

@Resolver()
export class ErrorCodesResolver {
  @Query(() => [ErrorCodeInfo], { description: 'Every error code of this API.' })
  errorCodes(): ErrorCodeInfo[] {
    return Object.values(ErrorCode).map((code) => ({ code, ...ERROR_CODES[code] }));
  }
}
