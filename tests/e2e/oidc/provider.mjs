// A real OpenID provider for one site: `node provider.mjs SITE`. Prints its issuer once it listens.
// Whatever name is typed at its sign-in page is a person.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const site = process.argv[2];
const server = createServer();

function person(name) {
  return { sub: name, name: `Person ${name}`, email: `${name}@example.org`, email_verified: true };
}

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "playground",
        client_secret: "a secret between the two",
        redirect_uris: [`${site}/signin/op/callback`],
        post_logout_redirect_uris: [`${site}/signin/op/signed-out`],
      },
    ],
    claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
    cookies: { keys: ["only for tests"] },
    findAccount: (context, name) => ({ accountId: name, claims: () => person(name) }),
    pkce: { required: () => true },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
