/** The org.varlink.service interface, by which a client learns what a service offers. */

import { version } from "../version.ts";
import { INTERFACE_NAME } from "./interface.ts";
import INTERFACE_DESCRIPTION from "./io.holdfast.varlink" with { type: "text" };
import type { Call } from "./connection.ts";

export const SERVICE = "org.varlink.service";

const SERVICE_DESCRIPTION =
  `# The Varlink Service Interface is provided by every varlink service. It
# describes the service and the interfaces it implements.
interface org.varlink.service

# Get a list of all the interfaces a service provides and information
# about the implementation.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# Get the description of an interface that is implemented by this service.
method GetInterfaceDescription(interface: string) -> (description: string)

# The requested interface was not found.
error InterfaceNotFound (interface: string)

# The requested method was not found
error MethodNotFound (method: string)

# The interface defines the requested method, but the service does not
# implement it.
error MethodNotImplemented (method: string)

# One of the passed parameters is invalid.
error InvalidParameter (parameter: string)

# Client is denied access
error PermissionDenied ()

# Method is expected to be called with 'more' set to true, but wasn't
error ExpectedMore ()
`;

const DESCRIPTIONS: Record<string, string> = {
  [SERVICE]: SERVICE_DESCRIPTION,
  [INTERFACE_NAME]: INTERFACE_DESCRIPTION,
};

/** False when the interface has no such method. */
export function introspect(call: Call, method: string): boolean {
  if (method === "GetInfo") {
    call.reply({
      vendor: "Holdfast",
      product: "Holdfast",
      version,
      url: "https://varlink.org",
      interfaces: [SERVICE, INTERFACE_NAME],
    });
    return true;
  }
  if (method !== "GetInterfaceDescription") return false;
  const name = call.parameters.interface;
  if (typeof name !== "string") {
    call.fail(`${SERVICE}.InvalidParameter`, { parameter: "interface" });
  } else if (!Object.hasOwn(DESCRIPTIONS, name)) {
    call.fail(`${SERVICE}.InterfaceNotFound`, { interface: name });
  } else call.reply({ description: DESCRIPTIONS[name] });
  return true;
}
