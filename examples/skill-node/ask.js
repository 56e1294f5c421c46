'use strict';

// Opens the skill as AWS Lambda does, or sends it an intent, and prints what it says: node ask.js [TOKEN [INTENT]]

const { handler } = require('./skill');

const [token, intent] = process.argv.slice(2);
if (token === '') {
  throw new Error('the token is empty: look at what links mint said');
}
const user = { userId: 'amzn1.ask.account.TEST', accessToken: token };
const application = { applicationId: process.env.SKILL_ID ?? 'amzn1.ask.skill.test' };
const request = { type: 'LaunchRequest', requestId: 'test', timestamp: new Date().toISOString(), locale: 'en-US' };
if (intent) {
  Object.assign(request, { type: 'IntentRequest', intent: { name: intent, slots: {} } });
}
const envelope = { version: '1.0', context: { System: { application, user } }, request };

handler(envelope, {}, (error, response) => {
  if (error) {
    throw error;
  }
  const { outputSpeech, card } = response.response;
  const text = outputSpeech.text ?? outputSpeech.ssml.replace(/<[^>]*>/g, '');
  console.log(card ? `${text} (card: ${card.type})` : text);
});
