import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';

const HTML_FORM = 'https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address';

/**
 * The scalar EmailAddress. As an input it takes any text; the operation parses it with `parseEmailAddress`, together
 * with its other fields. If the scalar refused a text, the request would end there, and people would learn of their
 * mistakes one by one.
 */
export const EmailAddressScalar = new GraphQLScalarType<string, string>({
  name: 'EmailAddress',
  description: `A field whose value conforms to the standard internet email address format as specified in HTML Spec: ${HTML_FORM}. Blanks around an input are removed.`,
  specifiedByURL: HTML_FORM,
  serialize: String,
  parseValue: (value) => {
    if (typeof value !== 'string')
      throw new GraphQLError('EmailAddress cannot represent a value that is not a text.');
    return value;
  },
  parseLiteral: (node) => {
    if (node.kind !== Kind.STRING) {
      throw new GraphQLError('EmailAddress cannot represent a value that is not a text.', { nodes: node });
    }
    return node.value;
  },
});
