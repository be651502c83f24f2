// An Arduino with an Ethernet shield that posts its readings over HTTP: no MQTT, no library beside Ethernet.
//
// On the gateway:
//   gateway device add greenhouse --owner you@example.com    prints the key for DEVICE_KEY
//   gateway tail 'greenhouse/#'                              shows what the board sends
//   gateway history greenhouse soil --csv                    gives all of it for a spreadsheet
//
// Commands need a connection that stays: for those see ../esp8266 or ../esp32.

#include <Ethernet.h>
#include <SPI.h>

byte mac[] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
const char* GATEWAY = "192.168.1.10";
const uint16_t PORT = 8080;

#define DEVICE_ID "greenhouse"
#define DEVICE_KEY "the key"

const unsigned long REPORT_EVERY = 30000;  // ms

EthernetClient client;
unsigned long lastReport = 0;

// Posts one JSON object, each key a channel. Returns the HTTP status, 200 once it is stored, or 0.
int post(const char* json) {
  if (!client.connect(GATEWAY, PORT)) return 0;
  client.print(F("POST /api/v1/devices/" DEVICE_ID "/telemetry HTTP/1.1\r\nHost: "));
  client.print(GATEWAY);
  client.print(F("\r\nAuthorization: Bearer " DEVICE_KEY
                 "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "));
  client.print(strlen(json));
  client.print(F("\r\n\r\n"));
  client.print(json);

  client.setTimeout(5000);
  int status = client.find("HTTP/1.1 ") ? client.parseInt() : 0;
  client.stop();
  return status;
}

void setup() {
  Serial.begin(9600);
  Ethernet.begin(mac);
}

void loop() {
  Ethernet.maintain();
  if (millis() - lastReport < REPORT_EVERY) return;
  lastReport = millis();

  char json[64];
  snprintf(json, sizeof(json), "{\"soil\":%d,\"light\":%d}", analogRead(A0), analogRead(A1));
  int status = post(json);
  if (status == 401) Serial.println(F("the gateway does not know this id and key"));
  else if (status != 200) Serial.println(F("not stored; the next reading tries again"));
}
