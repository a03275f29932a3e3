/**
 * The boundary of: Falco's rules and the sample. Names, priorities and tags as the public rule set
 * has them, tags of the maturity included; below them the rules of this estate's own.
 */

type Priority = "Critical" | "Error" | "Warning" | "Notice" | "Informational" | "Debug";
type Rule = readonly [priority: Priority, tags: string];

const PUBLIC_RULES = {
  "Adding ssh keys to authorized_keys": [
    "Warning",
    "T1098.004 filesystem host maturity_incubating mitre_persistence",
  ],
  "Basic Interactive Reconnaissance": [
    "Notice",
    "TA0043 container host maturity_sandbox mitre_reconnaissance process",
  ],
  "Change thread namespace": [
    "Notice",
    "T1611 container host maturity_incubating mitre_privilege_escalation process",
  ],
  "Clear Log Activities": [
    "Warning",
    "NIST_800-53_AU-10 T1070 container filesystem host maturity_stable mitre_defense_evasion",
  ],
  "Contact EC2 Instance Metadata Service From Container": [
    "Notice",
    "T1552.005 aws container maturity_incubating mitre_credential_access network",
  ],
  "Contact K8S API Server From Container": [
    "Notice",
    "T1565 container k8s maturity_stable mitre_discovery network",
  ],
  "Contact cloud metadata service from container": [
    "Notice",
    "T1565 container maturity_incubating mitre_discovery network",
  ],
  "Container Run as Root User": [
    "Informational",
    "T1610 container maturity_sandbox mitre_execution process users",
  ],
  "Create Hidden Files or Directories": [
    "Notice",
    "T1564.001 container filesystem host maturity_sandbox mitre_defense_evasion",
  ],
  "Create Symlink Over Sensitive Files": [
    "Warning",
    "T1555 container filesystem host maturity_stable mitre_credential_access",
  ],
  "DB program spawned process": [
    "Notice",
    "T1190 container database host maturity_incubating mitre_execution process",
  ],
  "Debugfs Launched in Privileged Container": [
    "Warning",
    "T1611 cis container maturity_stable mitre_privilege_escalation process",
  ],
  "Decoding Payload in Container": [
    "Informational",
    "T1132 container maturity_sandbox mitre_command_and_control process",
  ],
  "Delete or rename shell history": [
    "Warning",
    "T1070 container filesystem host maturity_incubating mitre_defense_evasion process",
  ],
  "Detect crypto miners using the Stratum protocol": [
    "Critical",
    "T1496 container host maturity_sandbox mitre_impact process",
  ],
  "Detect outbound connections to common miner pool ports": [
    "Critical",
    "T1496 container host maturity_sandbox mitre_impact network",
  ],
  "Detect release_agent File Container Escapes": [
    "Critical",
    "T1611 container maturity_stable mitre_privilege_escalation process",
  ],
  "Disallowed SSH Connection Non Standard Port": [
    "Notice",
    "T1059 container host maturity_stable mitre_execution network process",
  ],
  "Drop and execute new binary in container": [
    "Critical",
    "PCI_DSS_11.5.1 TA0003 container maturity_stable mitre_persistence process",
  ],
  "Execution from /dev/shm": [
    "Warning",
    "T1059.004 container host maturity_stable mitre_execution",
  ],
  "Exfiltrating Artifacts via Kubernetes Control Plane": [
    "Notice",
    "TA0010 container filesystem maturity_incubating mitre_exfiltration",
  ],
  "Fileless execution via memfd_create": [
    "Critical",
    "T1620 container host maturity_stable mitre_defense_evasion process",
  ],
  "Java Process Class File Download": [
    "Critical",
    "T1190 container host maturity_sandbox mitre_initial_access process",
  ],
  "Kubernetes Client Tool Launched in Container": [
    "Warning",
    "T1610 container maturity_sandbox mitre_execution",
  ],
  "Launch Ingress Remote File Copy Tools in Container": [
    "Notice",
    "TA0011 container maturity_incubating mitre_command_and_control network process",
  ],
  "Launch Package Management Process in Container": [
    "Error",
    "T1505 container maturity_incubating mitre_persistence process software_mgmt",
  ],
  "Launch Remote File Copy Tools in Container": [
    "Notice",
    "T1020 container maturity_incubating mitre_exfiltration network process",
  ],
  "Launch Suspicious Network Tool in Container": [
    "Notice",
    "T1059 container maturity_incubating mitre_execution network process",
  ],
  "Linux Kernel Module Injection Detected": [
    "Warning",
    "TA0003 container host maturity_stable mitre_persistence process",
  ],
  "Modify binary dirs": [
    "Error",
    "T1222.002 container filesystem host maturity_sandbox mitre_defense_evasion",
  ],
  "Mount Launched in Privileged Container": [
    "Warning",
    "T1611 cis container filesystem maturity_incubating mitre_privilege_escalation",
  ],
  "Netcat Remote Code Execution in Container": [
    "Warning",
    "T1059 container maturity_stable mitre_execution network process",
  ],
  "Network Connection outside Local Subnet": [
    "Warning",
    "PCI_DSS_6.4.2 T1046 container maturity_incubating mitre_discovery network",
  ],
  "PTRACE anti-debug attempt": [
    "Notice",
    "T1622 container host maturity_stable mitre_defense_evasion process",
  ],
  "PTRACE attached to process": [
    "Warning",
    "T1055.008 container host maturity_stable mitre_privilege_escalation process",
  ],
  "Packet socket created in container": [
    "Notice",
    "T1557.002 container maturity_stable mitre_credential_access network",
  ],
  "Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)": [
    "Critical",
    "TA0004 container host maturity_sandbox mitre_privilege_escalation process users",
  ],
  "Read environment variable from /proc files": [
    "Warning",
    "T1083 container filesystem maturity_incubating mitre_discovery process",
  ],
  "Read sensitive file trusted after startup": [
    "Warning",
    "T1555 container filesystem host maturity_stable mitre_credential_access",
  ],
  "Read sensitive file untrusted": [
    "Warning",
    "T1555 container filesystem host maturity_stable mitre_credential_access",
  ],
  "Read ssh information": [
    "Error",
    "T1005 container filesystem host maturity_incubating mitre_collection",
  ],
  "Redirect STDOUT/STDIN to Network Connection in Container": [
    "Notice",
    "T1059 container maturity_stable mitre_execution network process",
  ],
  "Remove Bulk Data from Disk": [
    "Warning",
    "T1485 container filesystem host maturity_stable mitre_impact process",
  ],
  "Run shell untrusted": [
    "Notice",
    "T1059.004 container host maturity_stable mitre_execution process shell",
  ],
  "Schedule Cron Jobs": [
    "Notice",
    "T1053.003 container filesystem host maturity_incubating mitre_execution",
  ],
  "Search Private Keys or Passwords": [
    "Warning",
    "T1552.001 container filesystem host maturity_stable mitre_credential_access process",
  ],
  "Set Setuid or Setgid bit": [
    "Notice",
    "T1548.001 container host maturity_incubating mitre_privilege_escalation process users",
  ],
  "System user interactive": [
    "Informational",
    "NIST_800-53_AC-2 T1059 container host maturity_stable mitre_execution users",
  ],
  "Terminal shell in container": [
    "Notice",
    "T1059 container maturity_stable mitre_execution shell",
  ],
  "Unexpected UDP Traffic": [
    "Notice",
    "TA0011 container host maturity_incubating mitre_exfiltration network",
  ],
  "Update Package Repository": [
    "Notice",
    "T1072 container filesystem host maturity_sandbox mitre_execution",
  ],
  "User mgmt binaries": [
    "Notice",
    "T1098 host maturity_incubating mitre_persistence software_mgmt users",
  ],
  "Web Server Spawned Shell": [
    "Critical",
    "T1505.003 container host maturity_sandbox mitre_execution mitre_persistence process",
  ],
  "Write below binary dir": [
    "Error",
    "T1543 container filesystem host maturity_sandbox mitre_persistence",
  ],
  "Write below etc": [
    "Error",
    "T1098 container filesystem host maturity_sandbox mitre_persistence",
  ],
} as const satisfies Record<string, Rule>;

/** What the operators of the estate added, to have a record of what is ordinary. */
const OWN_RULES = {
  "Estate: backup tool run": ["Informational", "batch container process"],
  "Estate: configuration file read": ["Informational", "container filesystem"],
  "Estate: connection to known service": ["Informational", "container network"],
  "Estate: cron job run": ["Informational", "container host process"],
  "Estate: health check run": ["Debug", "container process"],
  "Estate: log file read by collector": ["Debug", "container filesystem"],
  "Estate: packet filter changed": ["Informational", "container host network"],
  "Estate: service account token read": [
    "Notice",
    "T1528 container filesystem k8s mitre_credential_access",
  ],
} as const satisfies Record<string, Rule>;

export const SAMPLE_RULES = { ...PUBLIC_RULES, ...OWN_RULES };
export type SampleRule = keyof typeof SAMPLE_RULES;
