import { GraphQLError } from 'graphql';

/** A document beyond the limits. It is thrown at the first finding, so that the counting stops. */
export class DocumentRefused extends GraphQLError {
  constructor(problem: string) {
    super(problem, { extensions: { code: 'GRAPHQL_VALIDATION_FAILED', http: { status: 400 } } });
  }
}
