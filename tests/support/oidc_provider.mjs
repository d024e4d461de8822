// An OpenID provider on loopback: npm's oidc-provider, signing whoever asks in as one subject.
// Arguments: the module's folder, client id, secret or "-", redirect URI, subject.
// It says where it listens by a JSON line on standard output, and ends with standard input.
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const [module, client, secret, redirect, subject] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${module}/lib/index.js`));

const server = http.createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: client,
    ...(secret === '-'
      ? { token_endpoint_auth_method: 'none' }
      : { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' }),
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    application_type: 'native', // so that plain http to localhost is a redirect URI
  }],
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  cookies: { keys: ['only-for-tests'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
const answer = provider.callback();

server.on('request', async (request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    answer(request, response);
    return;
  }
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  let result;
  if (prompt.name === 'login') {
    result = { login: { accountId: subject } };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope('openid');
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
});

process.stdout.write(JSON.stringify({ issuer }) + '\n');
process.stdin.on('end', () => process.exit(0)).resume();
