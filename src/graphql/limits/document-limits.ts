import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth';
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives';
import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  Kind,
  OperationTypeNode,
  SingleFieldSubscriptionsRule,
  type ValidationContext,
  type ValidationRule,
  validate,
} from 'graphql';
import { DocumentRefused } from './document-refused.ts';
import { documentShape } from './document-shape.ts';

/** Tokens of a document: more than any client needs, few enough to parse in a millisecond. */
export const MAX_TOKENS = 2_000;
/** Validation errors in a reply: enough to correct a document, few enough to stay below 5 kB. */
export const MAX_VALIDATION_ERRORS = 5;

/** Levels of selection, where each fragment counts as one. The deepest useful document of the schema has nine. */
const MAX_DEPTH = 15;
/** Aliases, with every use of a fragment counted. */
const MAX_ALIASES = 30;
const MAX_DIRECTIVES = 30;

const refuse = (problem: string) => ({
  onReject: [
    (_context: ValidationContext | null) => {
      throw new DocumentRefused(problem);
    },
  ],
});

const LIMITS: readonly ValidationRule[] = [
  documentShape,
  maxDepthRule({ n: MAX_DEPTH, ...refuse(`The document is nested deeper than ${MAX_DEPTH} levels.`) }),
  maxAliasesRule({ n: MAX_ALIASES, ...refuse(`The document has more than ${MAX_ALIASES} aliases.`) }),
  maxDirectivesRule({
    n: MAX_DIRECTIVES,
    ...refuse(`The document has more than ${MAX_DIRECTIVES} directives.`),
  }),
];

/**
 * Bounds the work that a document can cause, before any part of it is executed. Each limit visits each fragment once.
 * A document beyond the limits is emptied, so that the rules of the specification have nothing to check. They compare
 * fields in pairs: 450 fields of one name take a third of a second. Throwing would avoid that work too, but Apollo
 * answers an error that is thrown from a validation with status 500.
 */
export function documentLimits(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      try {
        validate(context.getSchema(), document, LIMITS);
        // The only rule that throws its error instead of reporting it (graphql 16): for a root field whose @skip has no
        // value yet.
        if (subscribes(document)) validate(context.getSchema(), document, [SingleFieldSubscriptionsRule]);
      } catch (error) {
        if (!(error instanceof GraphQLError)) throw error;
        context.reportError(error);
        Object.assign(document, { definitions: [] });
      }
    },
  };
}

const subscribes = ({ definitions }: DocumentNode): boolean =>
  definitions.some(
    (definition) =>
      definition.kind === Kind.OPERATION_DEFINITION &&
      definition.operation === OperationTypeNode.SUBSCRIPTION,
  );
