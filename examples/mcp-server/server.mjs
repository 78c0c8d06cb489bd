// An MCP server of a museum, by the official SDK. It knows nothing of tokens: bearerd stands
// in front, accepts requests, and says in headers whom they are from. So it must be reachable
// through bearerd alone, here because it listens on loopback.
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const specimens = { fish: 12408, birds: 3127, minerals: 890 };
const text = (value) => ({ content: [{ type: "text", text: value }] });

// museum returns the server for one request, from the person whom bearerd names.
function museum() {
  const server = new McpServer({ name: "museum", version: "1.0.0" });
  server.registerTool("whoami", { description: "The person for whom the assistant asks" }, ({ requestInfo }) =>
    text(`${requestInfo.headers["remote-name"] || requestInfo.headers["remote-user"]}, with the scope ${requestInfo.headers["x-bearerd-scope"]}`),
  );
  server.registerTool(
    "count_specimens",
    { description: "How many specimens of a kind there are", inputSchema: { kind: z.enum(Object.keys(specimens)) } },
    ({ kind }) => text(`${specimens[kind]} ${kind}`),
  );
  return server;
}

const port = Number(process.env.PORT ?? 8000);
createServer(async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined }); // no sessions
  response.on("close", () => transport.close());
  await museum().connect(transport);
  await transport.handleRequest(request, response);
}).listen(port, "127.0.0.1", () => console.log(`the museum listens on 127.0.0.1:${port}`));
