// An ESP8266 that reports its light sensor and switches its LED.
//
// On the gateway:
//   gateway device add kitchen --owner you@example.com    prints the key for DEVICE_KEY
//   gateway tail 'kitchen/#'                              shows what the board sends
//   gateway send kitchen led 1 --wait 5                   switches the LED on and prints the reply
//
// Library: PubSubClient by Nick O'Leary, 2.8 or later.

#include <ESP8266WiFi.h>
#include <PubSubClient.h>

const char* WIFI_NAME = "your network";
const char* WIFI_PASSWORD = "its password";
const char* GATEWAY = "192.168.1.10";
const uint16_t PORT = 1883;
const char* DEVICE_KEY = "the key";

#define DEVICE_ID "kitchen"
#define TELEMETRY "devices/" DEVICE_ID "/telemetry"
#define STATUS "devices/" DEVICE_ID "/status"
#define COMMANDS "devices/" DEVICE_ID "/commands/"
#define REPLIES "devices/" DEVICE_ID "/replies/"

const unsigned long REPORT_EVERY = 10000;  // ms

WiFiClient network;
PubSubClient mqtt(network);
unsigned long lastReport = 0;
unsigned long lastAttempt = 0;
unsigned long retryAfter = 1000;  // ms until the next attempt to connect, doubled up to a minute

// A command has come: its name is the last part of the topic, its value is JSON.
void onCommand(char* topic, byte* payload, unsigned int length) {
  // publish() uses the buffer that topic and payload stand in: copy what is needed first.
  char name[32], value[64];
  strlcpy(name, topic + strlen(COMMANDS), sizeof(name));
  length = min(length, (unsigned int)sizeof(value) - 1);
  memcpy(value, payload, length);
  value[length] = '\0';

  if (strcmp(name, "led") == 0) {
    bool on = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    digitalWrite(LED_BUILTIN, on ? LOW : HIGH);  // this LED is lit when its pin is low
    mqtt.publish(REPLIES "led", on ? "1" : "0");
  }
}

void connectToGateway() {
  if (WiFi.status() != WL_CONNECTED || millis() - lastAttempt < retryAfter) return;
  lastAttempt = millis();
  // If the board loses power, the gateway publishes the last two arguments: offline, retained.
  if (mqtt.connect(DEVICE_ID, DEVICE_ID, DEVICE_KEY, STATUS, 1, true, "offline")) {
    mqtt.publish(STATUS, "online", true);
    mqtt.subscribe(COMMANDS "#", 1);  // QoS 1: a command counts as delivered when the board has it
    retryAfter = 1000;
  } else {
    Serial.printf("no connection, state %d\n", mqtt.state());  // 4 or 5: wrong id or key
    retryAfter = min(retryAfter * 2, 60000UL) + random(1000);
  }
}

void report() {
  char json[96];
  snprintf(json, sizeof(json), "{\"light\":%d,\"rssi\":%d,\"uptime\":%lu}", analogRead(A0), (int)WiFi.RSSI(), millis() / 1000);
  mqtt.publish(TELEMETRY, json);
}

void setup() {
  Serial.begin(115200);
  pinMode(LED_BUILTIN, OUTPUT);
  digitalWrite(LED_BUILTIN, HIGH);
  WiFi.mode(WIFI_STA);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);  // comes back by itself
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
