'use strict';

// A custom skill that says hello to the person who speaks: `node skill.js` serves it over HTTP for a proxy that
// terminates TLS, and verifies that Alexa sent the request. As an AWS Lambda the handler is `skill.handler`.

const Alexa = require('ask-sdk-core');
const { LookupClient } = require('./lookup');

const client = new LookupClient({
  endpoint: process.env.LOOKUP_URL, // https://link.example.com/lookup
  id: process.env.BACKEND_ID,
  secret: process.env.BACKEND_SECRET,
  allowTest: process.env.ALLOW_TEST_LINKS === 'yes', // leave it out where people link
});

const hello = {
  canHandle: ({ requestEnvelope }) => /^(Launch|Intent)Request$/.test(requestEnvelope.request.type),
  handle: ({ attributesManager, responseBuilder }) => {
    const { person } = attributesManager.getRequestAttributes(); // person.key is who it is, for a database
    return responseBuilder.speak(`Hello ${Alexa.escapeXmlCharacters(person.claim('name'))}`).getResponse();
  },
};

// That somebody linked or disabled the skill, for which it must have subscribed to events, concerns the bridge.
const events = {
  canHandle: ({ requestEnvelope }) => requestEnvelope.request.type.startsWith('AlexaSkillEvent.'),
  handle: async ({ requestEnvelope, responseBuilder }) => {
    await client.forwardEvent(requestEnvelope);
    return responseBuilder.getResponse();
  },
};

// The end of a session, and what else nobody spoke. There may be no person.
const silence = {
  canHandle: () => true,
  handle: ({ responseBuilder }) => responseBuilder.getResponse(),
};

function newSkill() {
  const builder = Alexa.SkillBuilders.custom()
    .addRequestInterceptors(client.interceptor())
    .addRequestHandlers(hello, events, silence)
    .addErrorHandlers(client.errorHandler());
  if (process.env.SKILL_ID) {
    builder.withSkillId(process.env.SKILL_ID); // refuses the requests that Alexa sends to other skills
  }
  return builder;
}

function serve() {
  const { ExpressAdapter } = require('ask-sdk-express-adapter');
  if (!process.env.SKILL_ID) {
    throw new Error('SKILL_ID is missing: set it to the id of the skill, amzn1.ask.skill.…');
  }
  const app = require('express')();
  app.post('/', new ExpressAdapter(newSkill().create(), true, true).getRequestHandlers());
  const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}/`);
  });
}

exports.handler = newSkill().lambda();

if (require.main === module) {
  serve();
}
