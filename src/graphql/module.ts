import type { Module } from '../platform/module-type.ts';
import { ErrorCodesResolver } from './error-codes.resolver.ts';

/** The GraphQL server. */
export const graphql: Module = {
  name: 'graphql',
  resolvers: [ErrorCodesResolver],
};
