/**
 * The boundary of: MITRE's facts and ours. Data only: ATT&CK Enterprise 18.1, every technique of the
 * platforms Linux and Containers, and the few cloud techniques a container's metadata access leads to.
 * One family a line: the technique, then its sub-techniques; each is id|name|tactics, and a tactic is
 * the last two digits of its TA00 id.
 *
 * © 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The
 * MITRE Corporation.
 *
 * ATT&CK®, License: The MITRE Corporation (MITRE) hereby grants you a non-exclusive, royalty-free
 * license to use ATT&CK® for research, development, and commercial purposes. Any copy you make for
 * such purposes is authorized provided that you reproduce MITRE's copyright designation and this
 * license in any such copy. Disclaimers: MITRE does not claim ATT&CK enumerates all possibilities for
 * the types of actions and behaviors documented as part of its adversary model and framework of
 * techniques. Using the information contained within ATT&CK to address or cover full categories of
 * techniques will not guarantee full defensive coverage as there may be undisclosed techniques or
 * variations on existing techniques not documented by ATT&CK. ALL DOCUMENTS AND THE INFORMATION
 * CONTAINED THEREIN ARE PROVIDED ON AN "AS IS" BASIS AND THE CONTRIBUTOR, THE ORGANIZATION HE/SHE
 * REPRESENTS OR IS SPONSORED BY (IF ANY), THE MITRE CORPORATION, ITS BOARD OF TRUSTEES, OFFICERS,
 * AGENTS, AND EMPLOYEES, DISCLAIM ALL WARRANTIES, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
 * ANY WARRANTY THAT THE USE OF THE INFORMATION THEREIN WILL NOT INFRINGE ANY RIGHTS OR ANY IMPLIED
 * WARRANTIES OF MERCHANTABILITY OR FITNESS FOR A PARTICULAR PURPOSE.
 */
export const ATTACK_ROWS = `
T1001|Data Obfuscation|11; .001|Junk Data|11; .002|Steganography|11; .003|Protocol or Service Impersonation|11
T1003|OS Credential Dumping|06; .005|Cached Domain Credentials|06; .007|Proc Filesystem|06; .008|/etc/passwd and /etc/shadow|06
T1005|Data from Local System|09
T1007|System Service Discovery|07
T1008|Fallback Channels|11
T1010|Application Window Discovery|07
T1011|Exfiltration Over Other Network Medium|10; .001|Exfiltration Over Bluetooth|10
T1014|Rootkit|05
T1016|System Network Configuration Discovery|07; .001|Internet Connection Discovery|07; .002|Wi-Fi Discovery|07
T1018|Remote System Discovery|07
T1020|Automated Exfiltration|10
T1021|Remote Services|08; .004|SSH|08; .005|VNC|08
T1025|Data from Removable Media|09
T1027|Obfuscated Files or Information|05; .001|Binary Padding|05; .002|Software Packing|05; .003|Steganography|05; .004|Compile After Delivery|05; .005|Indicator Removal from Tools|05; .006|HTML Smuggling|05; .008|Stripped Payloads|05; .009|Embedded Payloads|05; .010|Command Obfuscation|05; .011|Fileless Storage|05; .013|Encrypted/Encoded File|05; .014|Polymorphic Code|05; .015|Compression|05; .016|Junk Code Insertion|05; .017|SVG Smuggling|05
T1029|Scheduled Transfer|10
T1030|Data Transfer Size Limits|10
T1033|System Owner/User Discovery|07
T1036|Masquerading|05; .002|Right-to-Left Override|05; .003|Rename Legitimate Utilities|05; .004|Masquerade Task or Service|05; .005|Match Legitimate Resource Name or Location|05; .006|Space after Filename|05; .008|Masquerade File Type|05; .009|Break Process Trees|05; .010|Masquerade Account Name|05; .011|Overwrite Process Arguments|05; .012|Browser Fingerprint|05
T1037|Boot or Logon Initialization Scripts|03,04; .004|RC Scripts|03,04
T1039|Data from Network Shared Drive|09
T1040|Network Sniffing|06,07
T1041|Exfiltration Over C2 Channel|10
T1046|Network Service Discovery|07
T1048|Exfiltration Over Alternative Protocol|10; .001|Exfiltration Over Symmetric Encrypted Non-C2 Protocol|10; .002|Exfiltration Over Asymmetric Encrypted Non-C2 Protocol|10; .003|Exfiltration Over Unencrypted Non-C2 Protocol|10
T1049|System Network Connections Discovery|07
T1052|Exfiltration Over Physical Medium|10; .001|Exfiltration over USB|10
T1053|Scheduled Task/Job|02,03,04; .002|At|02,03,04; .003|Cron|02,03,04; .006|Systemd Timers|02,03,04; .007|Container Orchestration Job|02,03,04
T1055|Process Injection|04,05; .008|Ptrace System Calls|04,05; .009|Proc Memory|04,05; .014|VDSO Hijacking|04,05
T1056|Input Capture|06,09; .001|Keylogging|06,09; .002|GUI Input Capture|06,09; .003|Web Portal Capture|06,09; .004|Credential API Hooking|06,09
T1057|Process Discovery|07
T1059|Command and Scripting Interpreter|02; .004|Unix Shell|02; .005|Visual Basic|02; .006|Python|02; .007|JavaScript|02; .011|Lua|02; .013|Container CLI/API|02
T1068|Exploitation for Privilege Escalation|04
T1069|Permission Groups Discovery|07; .001|Local Groups|07; .002|Domain Groups|07
T1070|Indicator Removal|05; .002|Clear Linux or Mac System Logs|05; .003|Clear Command History|05; .004|File Deletion|05; .006|Timestomp|05; .007|Clear Network Connection History and Configurations|05; .008|Clear Mailbox Data|05; .009|Clear Persistence|05; .010|Relocate Malware|05
T1071|Application Layer Protocol|11; .001|Web Protocols|11; .002|File Transfer Protocols|11; .003|Mail Protocols|11; .004|DNS|11; .005|Publish/Subscribe Protocols|11
T1072|Software Deployment Tools|02,08
T1074|Data Staged|09; .001|Local Data Staging|09; .002|Remote Data Staging|09
T1078|Valid Accounts|01,03,04,05; .001|Default Accounts|01,03,04,05; .002|Domain Accounts|01,03,04,05; .003|Local Accounts|01,03,04,05; .004|Cloud Accounts|01,03,04,05
T1080|Taint Shared Content|08
T1082|System Information Discovery|07
T1083|File and Directory Discovery|07
T1087|Account Discovery|07; .001|Local Account|07; .002|Domain Account|07
T1090|Proxy|11; .001|Internal Proxy|11; .002|External Proxy|11; .003|Multi-hop Proxy|11; .004|Domain Fronting|11
T1092|Communication Through Removable Media|11
T1095|Non-Application Layer Protocol|11
T1098|Account Manipulation|03,04; .001|Additional Cloud Credentials|03,04; .004|SSH Authorized Keys|03,04; .006|Additional Container Cluster Roles|03,04; .007|Additional Local or Domain Groups|03,04
T1102|Web Service|11; .001|Dead Drop Resolver|11; .002|Bidirectional Communication|11; .003|One-Way Communication|11
T1104|Multi-Stage Channels|11
T1105|Ingress Tool Transfer|11
T1106|Native API|02
T1110|Brute Force|06; .001|Password Guessing|06; .002|Password Cracking|06; .003|Password Spraying|06; .004|Credential Stuffing|06
T1111|Multi-Factor Authentication Interception|06
T1113|Screen Capture|09
T1114|Email Collection|09; .003|Email Forwarding Rule|09
T1115|Clipboard Data|09
T1119|Automated Collection|09
T1120|Peripheral Device Discovery|07
T1123|Audio Capture|09
T1124|System Time Discovery|07
T1125|Video Capture|09
T1129|Shared Modules|02
T1132|Data Encoding|11; .001|Standard Encoding|11; .002|Non-Standard Encoding|11
T1133|External Remote Services|01,03
T1135|Network Share Discovery|07
T1136|Create Account|03; .001|Local Account|03; .002|Domain Account|03
T1140|Deobfuscate/Decode Files or Information|05
T1176|Software Extensions|03; .001|Browser Extensions|03; .002|IDE Extensions|03
T1189|Drive-by Compromise|01
T1190|Exploit Public-Facing Application|01
T1195|Supply Chain Compromise|01; .001|Compromise Software Dependencies and Development Tools|01; .002|Compromise Software Supply Chain|01; .003|Compromise Hardware Supply Chain|01
T1199|Trusted Relationship|01
T1200|Hardware Additions|01
T1201|Password Policy Discovery|07
T1203|Exploitation for Client Execution|02
T1204|User Execution|02; .001|Malicious Link|02; .002|Malicious File|02; .003|Malicious Image|02; .004|Malicious Copy and Paste|02; .005|Malicious Library|02
T1205|Traffic Signaling|03,05,11; .001|Port Knocking|03,05,11; .002|Socket Filters|03,05,11
T1210|Exploitation of Remote Services|08
T1211|Exploitation for Defense Evasion|05
T1212|Exploitation for Credential Access|06
T1213|Data from Information Repositories|09; .006|Databases|09
T1217|Browser Information Discovery|07
T1218|System Binary Proxy Execution|05; .015|Electron Applications|05
T1219|Remote Access Tools|11; .001|IDE Tunneling|11; .002|Remote Desktop Software|11; .003|Remote Access Hardware|11
T1222|File and Directory Permissions Modification|05; .002|Linux and Mac File and Directory Permissions Modification|05
T1480|Execution Guardrails|05; .001|Environmental Keying|05; .002|Mutual Exclusion|05
T1485|Data Destruction|40
T1486|Data Encrypted for Impact|40
T1489|Service Stop|40
T1490|Inhibit System Recovery|40
T1491|Defacement|40; .001|Internal Defacement|40; .002|External Defacement|40
T1495|Firmware Corruption|40
T1496|Resource Hijacking|40; .001|Compute Hijacking|40; .002|Bandwidth Hijacking|40
T1497|Virtualization/Sandbox Evasion|05,07; .001|System Checks|05,07; .002|User Activity Based Checks|05,07; .003|Time Based Checks|05,07
T1498|Network Denial of Service|40; .001|Direct Network Flood|40; .002|Reflection Amplification|40
T1499|Endpoint Denial of Service|40; .001|OS Exhaustion Flood|40; .002|Service Exhaustion Flood|40; .003|Application Exhaustion Flood|40; .004|Application or System Exploitation|40
T1505|Server Software Component|03; .001|SQL Stored Procedures|03; .002|Transport Agent|03; .003|Web Shell|03
T1518|Software Discovery|07; .001|Security Software Discovery|07; .002|Backup Software Discovery|07
T1525|Implant Internal Image|03
T1526|Cloud Service Discovery|07
T1528|Steal Application Access Token|06
T1529|System Shutdown/Reboot|40
T1530|Data from Cloud Storage|09
T1531|Account Access Removal|40
T1534|Internal Spearphishing|08
T1537|Transfer Data to Cloud Account|10
T1539|Steal Web Session Cookie|06
T1542|Pre-OS Boot|03,05; .002|Component Firmware|03,05; .003|Bootkit|03,05
T1543|Create or Modify System Process|03,04; .002|Systemd Service|03,04; .005|Container Service|03,04
T1546|Event Triggered Execution|03,04; .004|Unix Shell Configuration Modification|03,04; .005|Trap|03,04; .016|Installer Packages|03,04; .017|Udev Rules|03,04; .018|Python Startup Hooks|03,04
T1547|Boot or Logon Autostart Execution|03,04; .006|Kernel Modules and Extensions|03,04; .013|XDG Autostart Entries|03,04
T1548|Abuse Elevation Control Mechanism|04,05; .001|Setuid and Setgid|04,05; .003|Sudo and Sudo Caching|04,05
T1550|Use Alternate Authentication Material|05,08; .001|Application Access Token|05,08
T1552|Unsecured Credentials|06; .001|Credentials In Files|06; .003|Shell History|06; .004|Private Keys|06; .005|Cloud Instance Metadata API|06; .007|Container API|06
T1553|Subvert Trust Controls|05; .004|Install Root Certificate|05
T1554|Compromise Host Software Binary|03
T1555|Credentials from Password Stores|06; .002|Securityd Memory|06; .003|Credentials from Web Browsers|06; .005|Password Managers|06
T1556|Modify Authentication Process|03,05,06; .003|Pluggable Authentication Modules|03,05,06; .006|Multi-Factor Authentication|03,05,06
T1557|Adversary-in-the-Middle|06,09; .002|ARP Cache Poisoning|06,09; .003|DHCP Spoofing|06,09
T1558|Steal or Forge Kerberos Tickets|06; .005|Ccache Files|06
T1559|Inter-Process Communication|02
T1560|Archive Collected Data|09; .001|Archive via Utility|09; .002|Archive via Library|09; .003|Archive via Custom Method|09
T1561|Disk Wipe|40; .001|Disk Content Wipe|40; .002|Disk Structure Wipe|40
T1562|Impair Defenses|05; .001|Disable or Modify Tools|05; .003|Impair Command History Logging|05; .004|Disable or Modify System Firewall|05; .006|Indicator Blocking|05; .010|Downgrade Attack|05; .011|Spoof Security Alerting|05; .012|Disable or Modify Linux Audit System|05
T1563|Remote Service Session Hijacking|08; .001|SSH Hijacking|08
T1564|Hide Artifacts|05; .001|Hidden Files and Directories|05; .002|Hidden Users|05; .003|Hidden Window|05; .005|Hidden File System|05; .006|Run Virtual Instance|05; .007|VBA Stomping|05; .008|Email Hiding Rules|05; .011|Ignore Process Interrupts|05; .012|File/Path Exclusions|05; .013|Bind Mounts|05; .014|Extended Attributes|05
T1565|Data Manipulation|40; .001|Stored Data Manipulation|40; .002|Transmitted Data Manipulation|40; .003|Runtime Data Manipulation|40
T1566|Phishing|01; .001|Spearphishing Attachment|01; .002|Spearphishing Link|01; .003|Spearphishing via Service|01; .004|Spearphishing Voice|01
T1567|Exfiltration Over Web Service|10; .001|Exfiltration to Code Repository|10; .002|Exfiltration to Cloud Storage|10; .003|Exfiltration to Text Storage Sites|10; .004|Exfiltration Over Webhook|10
T1568|Dynamic Resolution|11; .001|Fast Flux DNS|11; .002|Domain Generation Algorithms|11; .003|DNS Calculation|11
T1569|System Services|02; .003|Systemctl|02
T1570|Lateral Tool Transfer|08
T1571|Non-Standard Port|11
T1572|Protocol Tunneling|11
T1573|Encrypted Channel|11; .001|Symmetric Cryptography|11; .002|Asymmetric Cryptography|11
T1574|Hijack Execution Flow|03,04,05; .006|Dynamic Linker Hijacking|03,04,05; .007|Path Interception by PATH Environment Variable|03,04,05
T1580|Cloud Infrastructure Discovery|07
T1606|Forge Web Credentials|06; .001|Web Cookies|06
T1609|Container Administration Command|02
T1610|Deploy Container|02,05
T1611|Escape to Host|04
T1612|Build Image on Host|05
T1613|Container and Resource Discovery|07
T1614|System Location Discovery|07; .001|System Language Discovery|07
T1619|Cloud Storage Object Discovery|07
T1620|Reflective Code Loading|05
T1621|Multi-Factor Authentication Request Generation|06
T1622|Debugger Evasion|05,07
T1649|Steal or Forge Authentication Certificates|06
T1651|Cloud Administration Command|02
T1652|Device Driver Discovery|07
T1653|Power Settings|03
T1654|Log Enumeration|07
T1656|Impersonation|05
T1657|Financial Theft|40
T1659|Content Injection|01,11
T1665|Hide Infrastructure|11
T1667|Email Bombing|40
T1668|Exclusive Control|03
T1669|Wi-Fi Networks|01
T1672|Email Spoofing|05
T1673|Virtual Machine Discovery|07
T1674|Input Injection|02
T1678|Delay Execution|05
T1680|Local Storage Discovery|07`;
