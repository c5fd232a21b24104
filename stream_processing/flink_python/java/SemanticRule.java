package shop.flink;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.Set;

/** The rules of `contracts/validators/semantic_rules.py`, by their names there. Each is asked of a schema-valid event. */
public enum SemanticRule {
    transaction_adds_up {
        @Override
        boolean holds(JsonNode event) {
            long total = 0;
            Set<Long> numbers = new HashSet<>();
            for (JsonNode line : event.get("lines")) {
                total += line.get("sales_cents").longValue();
                numbers.add(line.get("line_number").longValue());
            }
            return total == event.get("total_cents").longValue() && numbers.size() == event.get("lines").size();
        }
    },
    bucket_is_one_minute {
        @Override
        boolean holds(JsonNode feature) {
            String start = feature.get("bucket_start").textValue();
            String minute = start.substring(0, MINUTE_CHARS);
            if (!start.endsWith("00.000Z") || !happenedIn(minute, feature)) {
                return false;
            }
            for (JsonNode touch : feature.path("products")) {
                if (!happenedIn(minute, touch)) {
                    return false;
                }
            }
            return true;
        }
    },
    decision_has_a_value_per_feature {
        @Override
        boolean holds(JsonNode decision) {
            int width = decision.get("feature_names").size();
            Set<Long> ranks = new HashSet<>();
            for (JsonNode item : decision.get("items")) {
                if (item.get("features").size() != width) {
                    return false;
                }
                ranks.add(item.get("rank").longValue());
            }
            return ranks.size() == decision.get("items").size();
        }
    };

    private static final int MINUTE_CHARS = "2026-11-20T10:15".length();

    abstract boolean holds(JsonNode event);

    private static boolean happenedIn(String minute, JsonNode event) {
        return event.get("event_time").textValue().startsWith(minute);
    }
}
