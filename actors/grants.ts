/**
 * The boundary of: an agent and the tool servers. An agent reaches the tools its resource lists and
 * no others, whatever its binding asks for.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { ToolCaller } from "../transports/ports.ts";
import type { AgentResource } from "./resources.ts";

/** The server as this agent sees it: a tool that is not listed rejects with `tool_not_granted`. */
export function granted(server: string, caller: ToolCaller, resource: AgentResource): ToolCaller {
  const names = new Set(
    resource.tools.filter((tools) => tools.server === server).flatMap((tools) => tools.names),
  );
  return {
    call: async (tool, args, options) => {
      if (!names.has(tool))
        throw new WatchfloorError("tool_not_granted", {
          tool: `${server}.${tool}`,
          kind: resource.kind,
        });
      return caller.call(tool, args, options);
    },
    close: () => caller.close(),
  };
}
