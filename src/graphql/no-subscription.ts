import type { ApolloServerPlugin } from '@apollo/server';
import { ApolloServerErrorCode } from '@apollo/server/errors';
import { GraphQLError, OperationTypeNode } from 'graphql';
import type { RequestContext } from '../platform/request/index.ts';

/** Refuses subscriptions over HTTP. graphql-js would run their resolver once, without an event. */
export const noSubscription: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ operation }) {
        if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) return;
        throw new GraphQLError(
          'Subscriptions run over a WebSocket. Only queries and mutations run over HTTP.',
          {
            extensions: { code: ApolloServerErrorCode.OPERATION_RESOLUTION_FAILURE, http: { status: 400 } },
          },
        );
      },
    };
  },
};
