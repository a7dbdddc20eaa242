output "topic" {
  description = "The topic's id."
  value       = google_pubsub_topic.this.id
}

output "name" {
  description = "The topic's name."
  value       = google_pubsub_topic.this.name
}

output "subscription" {
  description = "The subscription's name."
  value       = one(concat(google_pubsub_subscription.push[*].name, google_pubsub_subscription.kept[*].name))
}

output "is_pushed" {
  description = "Whether messages are pushed; else they wait to be fetched."
  value       = length(google_pubsub_subscription.push) > 0
}

output "dead_letter_topic" {
  description = "Where messages go that were pushed too often; null: nowhere."
  value       = one([for it in google_pubsub_subscription.push : one(it.dead_letter_policy[*].dead_letter_topic)])
}
