"""The console: what data protection officers, coordinators and operators see, as pages."""
