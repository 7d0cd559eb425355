import { GraphQLError } from 'graphql';

/** A document beyond the limits. It is thrown where it is found, so that nothing more is counted. */
export class DocumentRefused extends GraphQLError {
  constructor(problem: string) {
    super(problem, { extensions: { code: 'GRAPHQL_VALIDATION_FAILED', http: { status: 400 } } });
  }
}
