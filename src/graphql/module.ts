import type { Module } from '../platform/module-type.ts';
import { composeGraphql } from './compose.ts';
import { ErrorCodesResolver } from './error-codes.resolver.ts';
import { operationSeconds, refused } from './metrics.ts';
import { GRAPHQL_SETTINGS } from './settings.ts';

/** The GraphQL server. */
export const graphql = {
  name: 'graphql',
  metrics: [operationSeconds, refused],
  resolvers: [ErrorCodesResolver],
  settings: [GRAPHQL_SETTINGS],
  compose: composeGraphql,
} as const satisfies Module;
