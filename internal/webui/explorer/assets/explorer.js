// Starts the API explorer. Nothing that is typed or pasted into it is stored.
"use strict";

const place = document.getElementById("explorer");

// What Swagger UI shows is changed in a few places. A cookie can't be set by a script:
// instead of a field for it, the dialog says how one gets it. There is one server,
// which need not be chosen. A link inside a button, a field without a name, and buttons
// without one or with another than they show, mislead people who use a screen reader.
const ours = ({ React: { createElement } }) => ({
  wrapComponents: {
    apiKeyAuth: (Original) => (props) => {
      if (props.schema.get("in") !== "cookie") return createElement(Original, props);
      const text = place.dataset.username
        ? `You are signed in as ${place.dataset.username}, and requests carry your session by themselves.`
        : "Nobody is signed in. Sign in, and requests carry your session by themselves.";
      return createElement("div", { className: "by-cookie" },
        createElement("h4", null, createElement("code", null, props.name), " (cookie)"),
        createElement("p", null, text));
    },
    ServersContainer: () => () => null,
    DeepLink: () => ({ text }) => createElement("span", null, text),
    TextArea: (Original) => (props) => createElement(Original, { "aria-label": "Value", ...props }),
    CloseIcon: () => () => "Close",
    Button: (Original) => (props) => createElement(Original, { ...props, "aria-label": undefined }),
  },
});

SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [ours],
  layout: "BaseLayout",
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  onComplete: () => { place.dataset.ready = "yes"; },
});
