import { type ClassType, Field, ObjectType } from 'type-graphql';

@ObjectType({ description: 'The position of a page in its list (Relay cursor connections).' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether another page follows. Request it with after: endCursor.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'True for every page but the first.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first entry; null on an empty page.' })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'Cursor of the last entry; null on an empty page.' })
  endCursor!: string | null;
}

/** One page, in the form that resolvers return. */
export interface Connection<Node> {
  edges: { cursor: string; node: Node }[];
  nodes: Node[];
  pageInfo: PageInfo;
}

/** Makes the types `NameEdge` and `NameConnection`. */
export function connectionOf<Node extends object>(
  name: string,
  node: () => ClassType<Node>,
  description: string,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`, { description: 'One entry of a page.' })
  class EdgeType {
    @Field(() => String, { description: 'Value for the argument after.' })
    cursor!: string;

    @Field(node)
    node!: Node;
  }

  @ObjectType(`${name}Connection`, { description })
  class ConnectionType implements Connection<Node> {
    @Field(() => [EdgeType])
    edges!: EdgeType[];

    @Field(() => [node()], { description: 'The nodes of the edges, for clients that need no cursors.' })
    nodes!: Node[];

    @Field(() => PageInfo)
    pageInfo!: PageInfo;
  }
  return ConnectionType;
}
