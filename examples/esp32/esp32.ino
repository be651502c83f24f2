// An ESP32 that reports its chip temperature with the time of measurement and switches two relays, over TLS.
//
// On the gateway:
//   [mqtt] tls = { cert = "gateway.crt", key = "gateway.key", port = 8883 }    in gateway.toml
//   gateway device add boiler --owner you@example.com    prints the key for DEVICE_KEY
//   gateway send boiler relay/0 true --wait 5            switches the first relay and prints the reply
//
// Without TLS: WiFiClient in place of WiFiClientSecure, no setCACert, port 1883.
// Library: PubSubClient by Nick O'Leary, 2.8 or later.

#include <PubSubClient.h>
#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <sys/time.h>

const char* WIFI_NAME = "your network";
const char* WIFI_PASSWORD = "its password";
const char* GATEWAY = "gateway.local";  // the name in the certificate
const uint16_t PORT = 8883;
const char* DEVICE_KEY = "the key";
const char* CA_CERTIFICATE = R"(-----BEGIN CERTIFICATE-----
the certificate of the authority that signed gateway.crt
-----END CERTIFICATE-----
)";

#define DEVICE_ID "boiler"
#define TELEMETRY "devices/" DEVICE_ID "/telemetry"
#define STATUS "devices/" DEVICE_ID "/status"
#define COMMANDS "devices/" DEVICE_ID "/commands/"
#define REPLIES "devices/" DEVICE_ID "/replies/"

const int RELAY_PINS[] = {26, 27};
const unsigned long REPORT_EVERY = 10000;  // ms
const time_t CLOCK_IS_SET = 1700000000;    // before this the clock still waits for NTP

WiFiClientSecure network;
PubSubClient mqtt(network);
unsigned long lastReport = 0;
unsigned long lastAttempt = 0;
unsigned long retryAfter = 1000;  // ms until the next attempt to connect, doubled up to a minute

// Each relay is a channel: its state is telemetry of its own, sent whenever it changes.
void reportRelay(int relay) {
  char topic[64];
  snprintf(topic, sizeof(topic), TELEMETRY "/relay/%d", relay);
  mqtt.publish(topic, digitalRead(RELAY_PINS[relay]) ? "true" : "false");
}

// A command has come: its name follows COMMANDS in the topic, its value is JSON.
void onCommand(char* topic, byte* payload, unsigned int length) {
  // publish() uses the buffer that topic and payload stand in: copy what is needed first.
  char name[32], value[64], reply[64];
  strlcpy(name, topic + strlen(COMMANDS), sizeof(name));
  length = min(length, (unsigned int)sizeof(value) - 1);
  memcpy(value, payload, length);
  value[length] = '\0';

  int relay;
  if (sscanf(name, "relay/%d", &relay) == 1 && relay >= 0 && relay < 2) {
    digitalWrite(RELAY_PINS[relay], strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
    snprintf(reply, sizeof(reply), REPLIES "%s", name);
    mqtt.publish(reply, digitalRead(RELAY_PINS[relay]) ? "true" : "false");
    reportRelay(relay);
  } else if (strcmp(name, "restart") == 0) {
    mqtt.publish(REPLIES "restart", "true");
    mqtt.publish(STATUS, "offline", true);
    mqtt.disconnect();
    ESP.restart();
  }
}

void connectToGateway() {
  if (WiFi.status() != WL_CONNECTED || millis() - lastAttempt < retryAfter) return;
  lastAttempt = millis();
  // If the board loses power, the gateway publishes the last two arguments: offline, retained.
  if (mqtt.connect(DEVICE_ID, DEVICE_ID, DEVICE_KEY, STATUS, 1, true, "offline")) {
    mqtt.publish(STATUS, "online", true);
    mqtt.subscribe(COMMANDS "#", 1);
    for (int relay = 0; relay < 2; relay++) reportRelay(relay);
    retryAfter = 1000;
  } else {
    Serial.printf("no connection, state %d\n", mqtt.state());  // 4 or 5: wrong id or key
    retryAfter = min(retryAfter * 2, 60000UL) + random(1000);
  }
}

void report() {
  struct timeval now;
  gettimeofday(&now, nullptr);
  char values[64], json[128];
  snprintf(values, sizeof(values), "{\"temperature\":%.1f,\"rssi\":%d}", temperatureRead(), (int)WiFi.RSSI());
  if (now.tv_sec > CLOCK_IS_SET) {
    // With "ts", milliseconds since 1970, the frame carries the board's own time.
    snprintf(json, sizeof(json), "{\"ts\":%lld,\"values\":%s}", now.tv_sec * 1000LL + now.tv_usec / 1000, values);
  } else {
    strlcpy(json, values, sizeof(json));
  }
  mqtt.publish(TELEMETRY, json);
}

void setup() {
  Serial.begin(115200);
  for (int pin : RELAY_PINS) pinMode(pin, OUTPUT);
  WiFi.mode(WIFI_STA);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);  // comes back by itself
  configTime(0, 0, "pool.ntp.org");
  network.setCACert(CA_CERTIFICATE);
  mqtt.setServer(GATEWAY, PORT);
  mqtt.setKeepAlive(30);  // without power the board is offline 45 s later at the latest
  mqtt.setCallback(onCommand);
}

void loop() {
  if (!mqtt.connected()) {
    connectToGateway();
  } else if (millis() - lastReport >= REPORT_EVERY) {
    lastReport = millis();
    report();
  }
  mqtt.loop();
}
