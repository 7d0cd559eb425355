import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { BlockpassSignInState } from './blockpass-sign-in.entity.ts';

registerEnumType(BlockpassSignInState, {
  name: 'BlockpassSignInState',
  description: 'From the QR code to the session. SUCCESS, FAILED and EXPIRED are final.',
  valuesConfig: {
    CREATED: { description: 'Waits for somebody to scan it.' },
    PROCESSING: {
      description:
        'The QR code was scanned and works for no other phone. It stays so while Blockpass is away and cannot be told of the success.',
    },
    SUCCESS: { description: 'Call completeBlockpassSignIn.' },
    FAILED: { description: 'Blockpass refused it. Start another one.' },
    EXPIRED: { description: 'Start another one.' },
  },
});

@ObjectType('BlockpassSignIn', {
  description: 'A sign-in by QR code: show qrCode, then subscribe to blockpassSignIn or poll it.',
})
export class BlockpassSignInType {
  @Field(() => ID, { description: 'Not the Blockpass session code that the QR code holds.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Returned once, by startBlockpassSignIn; binds the sign-in to whoever started it where the binding cookie cannot travel.',
  })
  secret!: string | null;

  @Field(() => BlockpassSignInState)
  state!: BlockpassSignInState;

  @Field(() => String, { description: 'What the QR code holds: the text that the Blockpass app scans.' })
  qrText!: string;

  @Field(() => String, { nullable: true, description: 'For a browser on the phone itself.' })
  appLink!: string | null;

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;

  /** For the field `qrCode`: drawn once, however many aliases it is asked for by. */
  drawing?: Promise<string>;
}
