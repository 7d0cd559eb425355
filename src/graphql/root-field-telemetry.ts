import { defaultFieldResolver, type GraphQLField, type GraphQLSchema } from 'graphql';
import { ErrorCode } from '../platform/errors.ts';
import { tracing } from '../platform/telemetry/index.ts';
import { asGatehouseError } from '../platform/unavailable.ts';
import { operationSeconds } from './metrics.ts';

type Resolve = NonNullable<GraphQLField<unknown, unknown>['resolve']>;

/**
 * Gives each root field of a query or mutation a span and a duration. Without tracing and metrics, the schema stays
 * unchanged.
 */
export function measureRootFields(schema: GraphQLSchema): void {
  for (const type of [schema.getQueryType(), schema.getMutationType()]) {
    for (const field of Object.values(type?.getFields() ?? {})) {
      if (tracing().isOn) field.resolve = traced(field.name, field.resolve ?? defaultFieldResolver);
      if (operationSeconds.isOn) field.resolve = timed(field.name, field.resolve ?? defaultFieldResolver);
    }
  }
}

const traced =
  (field: string, resolve: Resolve): Resolve =>
  (...args) =>
    tracing().span(`resolve ${field}`, 'internal', { 'gatehouse.field': field }, () => resolve(...args));

const timed =
  (operation: string, resolve: Resolve): Resolve =>
  async (...args) => {
    const begun = performance.now();
    try {
      const result: unknown = await resolve(...args);
      operationSeconds.observeSince(begun, { operation, outcome: 'ok' });
      return result;
    } catch (error) {
      const outcome = asGatehouseError(error)?.code ?? ErrorCode.INTERNAL_SERVER_ERROR;
      operationSeconds.observeSince(begun, { operation, outcome });
      throw error;
    }
  };
